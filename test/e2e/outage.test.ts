// Real nodes of which some are killed and started again as they are.

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { commonBlocks, NodeProcesses } from '../helpers/node-processes.ts';

/** Each wait has its own end. */
const TEST_MS = 300_000;

/** Several rounds' time: a chain that could go on would have. */
const STANDS_MS = 5_000;

test(
  'of four nodes one may be dead; with three dead the chain stands, and goes on when they are started again',
  async () => {
    const network = await NodeProcesses.found(4, true);
    onTestFinished(() => network.remove());
    const [first, second, third, fourth] = network.folders as [string, string, string, string];
    await network.run(network.folders);
    await network.transfer();

    await network.kill([fourth]);
    for (let count = 0; count < 3; count++) await network.transfer();

    await network.kill([second, third]);
    let isFinal = false;
    const waiting = network.transfer(first).then(() => {
      isFinal = true;
    });
    await sleep(STANDS_MS);
    expect(isFinal).toBe(false);

    await network.run([second, third, fourth]);
    await waiting;
    await network.transfer();
    await network.stop();
    const blocks = await commonBlocks(network.folders);
    expect(blocks.flatMap(({ body }) => body.evidence)).toEqual([]);
  },
  TEST_MS,
);
