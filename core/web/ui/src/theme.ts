import { createTheme, type MantineColorsTuple } from "@mantine/core";

const ember: MantineColorsTuple = [
  "#fff3ea",
  "#fde4d4",
  "#fac6a6",
  "#f7a674",
  "#f48b4a",
  "#f27a30",
  "#f26b21",
  "#d75a15",
  "#bf4f10",
  "#a64208",
];

/** Colours and type of the whole interface: nothing else names a colour. */
export const theme = createTheme({
  primaryColor: "ember",
  primaryShade: { light: 7, dark: 5 },
  colors: { ember },
  defaultRadius: "md",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Code', Menlo, Consolas, 'DejaVu Sans Mono', monospace",
});
