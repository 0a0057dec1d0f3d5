// Runs the script of a page in headless Chromium: node browser.mjs page-NAME.mjs. The page is of another origin than the server, as pages are.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:tls';
import { buildSync } from 'esbuild';
import * as filestack from 'filestack-js';
import { chromium } from 'playwright-core';
import { KEY, SECRET, SECURITY, expiry } from './check.mjs';

const { PORT, AUTHORITY, ELSEWHERE, HANDLE } = process.env;

const bundle = buildSync({ entryPoints: [process.argv[2]], bundle: true, format: 'iife', write: false, logLevel: 'warning' });
const files = {
  '/': ['text/html', '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script src="/filestack.js"></script><script src="/page.js"></script>'],
  '/page.js': ['text/javascript', bundle.outputFiles[0].contents],
  '/filestack.js': ['text/javascript', readFileSync('node_modules/filestack-js/build/browser/filestack.min.js')],
};
const site = createServer((request, response) => {
  const [type, content] = files[request.url] ?? [];
  response.writeHead(content ? 200 : 404, { 'Content-Type': type ?? 'text/plain' }).end(content);
});
await new Promise((listening) => site.listen(0, '127.0.0.1', listening));

/** Chromium reads no CA file. So it is told to trust the very key that Node trusts because of the CA. */
function trustedKey() {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: 'www.fs.localhost', port: 443, servername: 'www.fs.localhost', ca: readFileSync(AUTHORITY) }, () => {
      const key = socket.getPeerX509Certificate().publicKey.export({ type: 'spki', format: 'der' });
      socket.end();
      resolve(createHash('sha256').update(key).digest('base64'));
    }).on('error', reject);
  });
}

const browser = await chromium.launch({
  executablePath: process.env.PATH.split(':').map((directory) => `${directory}/chromium`).find(existsSync),
  args: [
    '--no-sandbox',
    '--disable-background-networking',
    `--host-resolver-rules=MAP *.fs.localhost:443 127.0.0.1:${PORT}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
    `--ignore-certificate-errors-spki-list=${await trustedKey()}`,
  ],
});
try {
  const page = await browser.newPage();
  page.on('console', (message) => console.error(`page: ${message.text()}`));
  page.on('pageerror', (error) => console.error(`page: ${error.stack}`));
  await page.exposeFunction('sign', (...call) => filestack.getSecurity({ expiry, call }, SECRET));
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.evaluate((given) => window.run(given), { key: KEY, security: SECURITY, handle: HANDLE, elsewhere: ELSEWHERE });
} finally {
  await browser.close();
  site.close();
}
