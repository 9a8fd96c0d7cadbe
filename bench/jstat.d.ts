/** The little of jstat that is used here; the package has no types of its own. */
declare module "jstat" {
  const jstat: { readonly chisquare: { cdf(x: number, degreesOfFreedom: number): number } };
  export default jstat;
}
