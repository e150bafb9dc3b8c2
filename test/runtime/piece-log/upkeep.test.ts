// What compaction picks, what it leaves alone, and what it leaves behind when the disk fails it or the power goes.

import { expect, test } from 'vitest';
import { codeOf, filled, Harness, keyOf } from '../log-harness.ts';
import { systemError } from '../simulated-disk.ts';

/** Lets work in the background go on for a while. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('at the quota a file without dead bytes is left alone, however short it is', async () => {
  const harness = await Harness.open({ quotaBytes: 10_000, logFileLength: 2000 });
  for (let n = 0; n < 4; n++) await harness.put(keyOf(n), filled(1700, n));
  await harness.put(keyOf(9), filled(20, 9));
  let created = 0;
  harness.disk.hook = ({ kind, path }) => {
    // A loop would leave no turn to the test: the disk ends it.
    if (kind === 'create' && path.endsWith('.log') && ++created > 20) throw systemError('EIO');
    return undefined;
  };
  expect(await codeOf(harness.put(keyOf(10), filled(5000, 10)))).toBe('FULL');
  await harness.put(keyOf(9), filled(20, 9));
  expect(await codeOf(harness.put(keyOf(10), filled(5000, 10)))).toBe('FULL');
  await harness.remove(keyOf(77));
  await turns(300);
  // One copy gives back the record that was replaced; a second would give back nothing.
  expect(created).toBeLessThanOrEqual(1);
  await harness.check();
  await harness.log.close();
});
