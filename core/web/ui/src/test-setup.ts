// happy-dom has no matchMedia that Mantine could ask for the colour scheme.
window.matchMedia ??= (query: string) =>
  ({ matches: false, media: query, addEventListener() {}, removeEventListener() {} }) as unknown as MediaQueryList;
