// Opens hearth's pages in Debian's Chromium as a user would; run by browser_test.go: node browser.mjs URL SCREENSHOTS.
import { chromium } from "../web/ui/node_modules/playwright-core/index.mjs";

const [, , url, shots] = process.argv;
const flags = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update disable-sync";
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: flags.split(" ").map((f) => `--${f}`),
});
const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
const errors = [];
page.on("console", (m) => m.type() === "error" && errors.push(m.text()));
page.on("pageerror", (e) => errors.push(e.message));

function must(ok, what) {
  if (!ok) throw new Error(what);
}

try {
  // Query: type with completion, choose a suggestion, see curves.
  await page.goto(`${url}/`);
  await page.waitForURL(/\/query/);
  const editor = page.getByRole("textbox", { name: "PromQL expression" });
  await editor.click();
  await page.keyboard.type("rate(node_cpu_sec", { delay: 20 });
  const suggestion = page.getByRole("option", { name: /^node_cpu_seconds_total/ });
  await suggestion.waitFor();
  await suggestion.click();
  await page.keyboard.type("[1m]");
  await page.keyboard.press("End");
  must((await editor.innerText()).trim() === "rate(node_cpu_seconds_total[1m])", `typed: ${await editor.innerText()}`);
  must(await coloured(editor), "the expression is not highlighted");
  await page.getByRole("textbox", { name: "Range" }).fill("5m");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Run" }).click();
  await page.locator("[data-testid=graph] canvas").waitFor();
  await page.getByText(/^\d+ series/).waitFor();
  must(await drawn(), "the graph has no curve");
  const box = await page.locator("[data-testid=graph]").boundingBox();
  await page.mouse.move(box.x + box.width - 60, box.y + 120);
  await page.getByRole("status").waitFor();
  await page.screenshot({ path: `${shots}/query.png` });

  // Drag to zoom: the span in the URL gets shorter.
  await page.mouse.move(box.x + box.width * 0.7, box.y + 150);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 150, { steps: 5 });
  await page.mouse.up();
  await page.waitForURL(/end=\d+/);

  // Table of the same expression, by a link.
  await page.getByRole("tab", { name: "Table" }).click();
  await page.goto(`${url}/query?expr=${encodeURIComponent("sum(up)")}&tab=table`);
  await page.getByRole("cell", { name: "{}" }).waitFor();
  await page.screenshot({ path: `${shots}/table.png` });

  // Targets.
  await page.getByRole("link", { name: "Targets" }).click();
  await page.getByRole("table", { name: "Targets of hearth" }).waitFor();
  must((await page.getByText("up", { exact: true }).count()) > 0, "no target is up");
  await page.screenshot({ path: `${shots}/targets.png` });
  must(errors.length === 0, `console errors: ${errors.join("; ")}`);

  // A bad query is told in the server's words; the 400 it comes with is the one console error there may be.
  await page.goto(`${url}/query?expr=${encodeURIComponent("rate(up[5m)")}`);
  await page.getByRole("alert").getByText(/parse error/).waitFor();
  await page.screenshot({ path: `${shots}/error.png` });
  must(errors.every((e) => e.includes("400")), `console errors: ${errors.join("; ")}`);
} catch (error) {
  await page.screenshot({ path: `${shots}/failed.png` });
  console.error(error, "console:", errors);
  process.exitCode = 1;
} finally {
  await browser.close();
}

// coloured tells whether the name of the function is set off from the rest of the expression.
async function coloured(editor) {
  return await editor.evaluate((content) => {
    const name = [...content.querySelectorAll("span")].find((s) => s.textContent === "rate");
    return name !== undefined && getComputedStyle(name).color !== getComputedStyle(content).color;
  });
}

// drawn tells whether a coloured pixel is on the canvas: axes and grid are grey.
async function drawn() {
  return await page.locator("[data-testid=graph] canvas").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b, a] = [data[i], data[i + 1], data[i + 2], data[i + 3]];
      if (a > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 90) return true;
    }
    return false;
  });
}
