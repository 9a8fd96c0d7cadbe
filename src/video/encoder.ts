/**
 * From a frame to its code: patches, and a ConvNeXt block (Liu et al. 2022) at each scale. It is trained together with the decoder and not
 * stored. Knows nothing of the decoder.
 */
import { Conv, constantly, LayerNorm, Linear, Module, newParameter, truncatedNormal, zeros } from "../nn/index.ts";
import { gelu, type Parameter, type Tensor, transpose } from "../tensor/index.ts";

const channelsLast = (x: Tensor) => transpose(x, [0, 2, 3, 1]);
const channelsFirst = (x: Tensor) => transpose(x, [0, 3, 1, 2]);

/** Depth-wise 7 × 7, layer norm over channels, two linear layers with GELU between, a scale for each channel, and what came in. */
export class ConvNextBlock extends Module {
  readonly dwconv: Conv;
  readonly norm: LayerNorm;
  readonly pwconv1: Linear;
  readonly pwconv2: Linear;
  /** `[channels]`, 1e-6 at first. */
  readonly gamma: Parameter;

  constructor(channels: number) {
    super();
    this.dwconv = beginSmall(new Conv(channels, channels, { kernel: 7, padding: 3, groups: channels }));
    this.norm = new LayerNorm(channels, { epsilon: 1e-6 });
    this.pwconv1 = beginSmall(new Linear(channels, 4 * channels, { bias: true }));
    this.pwconv2 = beginSmall(new Linear(4 * channels, channels, { bias: true }));
    this.gamma = newParameter("gamma", [channels], constantly(1e-6));
  }

  /** `[n, channels, h, w]` to the same shape. */
  forward(x: Tensor): Tensor {
    const y = this.norm.forward(channelsLast(this.dwconv.forward(x)));
    const z = this.pwconv2.forward(gelu(this.pwconv1.forward(y)));
    return x.add(channelsFirst(z.mul(this.gamma.tensor)));
  }
}

/** Lets a layer begin as ConvNeXt's do: weights normal with deviation 0.02, biases 0. */
function beginSmall<Layer extends Conv | Linear>(layer: Layer): Layer {
  return Object.assign(layer, {
    weight: newParameter("weight", layer.weight.shape, truncatedNormal(0.02)),
    bias: newParameter("bias", layer.bias!.shape, zeros),
  });
}

/** Patches of one scale, layer norm over channels (behind the first patches, before the others), and a block. */
export class EncoderStage extends Module {
  readonly norm: LayerNorm;
  readonly patches: Conv;
  readonly block: ConvNextBlock;
  readonly _first: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, first: boolean) {
    super();
    this.norm = new LayerNorm(first ? outChannels : inChannels, { epsilon: 1e-6 });
    this.patches = beginSmall(new Conv(inChannels, outChannels, { kernel: stride, stride }));
    this.block = new ConvNextBlock(outChannels);
    this._first = first;
  }

  /** `[n, in, h, w] → [n, out, h / stride, w / stride]`. */
  forward(x: Tensor): Tensor {
    const normalized = (y: Tensor) => channelsFirst(this.norm.forward(channelsLast(y)));
    const y = this._first ? normalized(this.patches.forward(x)) : this.patches.forward(normalized(x));
    return this.block.forward(y);
  }
}

/** The encoder. */
export class FrameEncoder extends Module {
  readonly stages: readonly EncoderStage[];

  /** @param strides size of the patches at each scale. @param width channels but for the code's own. */
  constructor(strides: readonly number[], width: number, codeChannels: number) {
    super();
    const last = strides.length - 1;
    this.stages = strides.map(
      (stride, i) => new EncoderStage(i ? width : 3, i === last ? codeChannels : width, stride, i === 0),
    );
  }

  /** Frames `[n, 3, height, width]` from 0 to 1 to codes `[n, codeChannels, h, w]`. */
  forward(frames: Tensor): Tensor {
    return this.stages.reduce((x, stage) => stage.forward(x), frames);
  }
}
