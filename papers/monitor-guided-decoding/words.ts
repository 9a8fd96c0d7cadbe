/**
 * Words that the members of made-up types are named by; two of them together were hardly ever a name before.
 */

/** What names begin with. */
export const firstWords: readonly string[] =
  "brew tidy amber cobble drift ember fable gild hinge ivory jolt kindle lumen marsh nimble ochre plume quill ripple saddle thistle umber velvet wicker yonder zephyr anchor bramble cinder dapple ferry gravel harbor inlet juniper knot ladle mellow nettle orchard parlor quarry russet sable tawny upland vesper walnut yarrow zinc alder basil cedar dusk elm fern grove hazel iris jade".split(
    " ",
  );

/** What names end with. */
export const secondWords: readonly string[] =
  "ledger quota basket beacon bucket canvas casket chapel column copper corner cradle crown dagger engine feather fiddle flagon garland gasket hammer handle helmet kettle ladder lantern locket magnet mantle marble mirror needle nozzle paddle pallet panel pebble pedal pencil pillar piston pocket pulley ribbon rudder satchel scroll shovel signal socket spindle spool statue tablet ticket timber tunnel turret valve wheel".split(
    " ",
  );
