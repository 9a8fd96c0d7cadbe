/** Dates as C's `strftime` writes them in the C locale: chat templates tell the model the date this way. */

const months = "January February March April May June July August September October November December".split(" ");
const days = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

/** Formats a date in local time; unknown directives stay as they are. */
export function strftime(date: Date, format: string): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const hour12 = date.getHours() % 12 || 12;
  const startOfYear = new Date(date.getFullYear(), 0, 1);
  const dayOfYear =
    Math.round(
      (new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime() - startOfYear.getTime()) / 86_400_000,
    ) + 1;
  const directives: Readonly<Record<string, () => string>> = {
    Y: () => String(date.getFullYear()),
    y: () => two(date.getFullYear() % 100),
    m: () => two(date.getMonth() + 1),
    d: () => two(date.getDate()),
    e: () => String(date.getDate()).padStart(2, " "),
    B: () => months[date.getMonth()],
    b: () => months[date.getMonth()].slice(0, 3),
    A: () => days[date.getDay()],
    a: () => days[date.getDay()].slice(0, 3),
    H: () => two(date.getHours()),
    I: () => two(hour12),
    M: () => two(date.getMinutes()),
    S: () => two(date.getSeconds()),
    p: () => (date.getHours() < 12 ? "AM" : "PM"),
    j: () => String(dayOfYear).padStart(3, "0"),
    F: () => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`,
    T: () => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`,
    "%": () => "%",
  };
  return format.replace(/%(-?)([A-Za-z%])/g, (all, unpadded: string, letter: string) => {
    if (!Object.hasOwn(directives, letter)) return all;
    const text = directives[letter]();
    return unpadded ? text.replace(/^[0 ]+(?=\d)/, "") : text;
  });
}
