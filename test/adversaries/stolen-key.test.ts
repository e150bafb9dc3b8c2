// Two more machines start with what was copied from a node that runs: key, guard, log, blocks.

import { expect, onTestFinished, test } from 'vitest';
import { readValidators } from '../../cli/validators-read.ts';
import { commonBlocks, NodeProcesses, until } from '../helpers/node-processes.ts';

/** Each wait has its own end. */
const TEST_MS = 300_000;

const COPIED = 'a second copy of the key is at work: no more signatures';

test(
  'copies of a node that works, old and new, find out before they sign, and nobody signs twice',
  async () => {
    const network = await NodeProcesses.found(4);
    onTestFinished(() => network.remove());
    const [original] = network.folders as [string];
    await network.run(network.folders);
    await until('the original signs', async () => {
      await network.transfer();
      const { height } = await network.chain.read(() => undefined);
      return (await network.lastSigned(original)) >= height;
    });
    const old = await network.copy(original, 'old copy');
    for (let count = 0; count < 4; count++) await network.transfer();
    const fresh = await network.copy(original, 'new copy');
    const copies = [old, fresh];
    const before = await Promise.all(copies.map((folder) => network.lastSigned(folder)));

    await network.run(copies);
    await until('both copies have found out', async () => {
      await network.transfer();
      const logs = await Promise.all(copies.map((folder) => network.log(folder)));
      return logs.every((log) => log.includes(COPIED));
    });
    expect(await Promise.all(copies.map((folder) => network.lastSigned(folder)))).toEqual(before);
    for (let count = 0; count < 3; count++) await network.transfer();
    expect(await network.log(original)).not.toContain(COPIED);
    const { value } = await network.chain.read((state) => readValidators(state, undefined).rows!);
    expect(value.map(({ isTombstoned, isJailed }) => isTombstoned || isJailed)).toEqual(Array(4).fill(false));

    await network.stop();
    const blocks = await commonBlocks([...network.folders, ...copies]);
    expect(blocks.flatMap(({ body }) => body.evidence)).toEqual([]);
  },
  TEST_MS,
);
