// What the Node scripts share: an app's security, expectations, sample files.
import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';

export const { KEY, SECRET, SECURITY } = process.env;

/** Policies end then: never, or long ago. */
export const expiry = SECURITY === 'expired' ? 1_000_000_000 : 4_102_444_800;

export const MIB = 1 << 20;

export function bytes(size) {
  return randomFillSync(Buffer.alloc(size));
}

/** Runs a step. With an expired policy it must be refused, by a status and a text that a user can read; then this gives nothing. */
export async function step(name, run, refusalOf) {
  if (SECURITY !== 'expired') {
    return run().catch((error) => assert.fail(`${name}: ${describe(error)}\n${JSON.stringify(refusalOf(error))}`));
  }
  const error = await run().then(() => assert.fail(`${name} was done with an expired policy`), (error) => error);
  const { status, text } = refusalOf(error);
  assert.equal(status, 403, `${name}: ${describe(error)}`);
  assert.match(text, /expired/i, `${name}: ${text}`);
}

function describe(error) {
  return error.stack ?? JSON.stringify(error);
}
