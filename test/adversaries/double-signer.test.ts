// One of four real nodes is a build that signs everything twice.

import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { readNode } from '../../cli/stake-read.ts';
import { readValidators } from '../../cli/validators-read.ts';
import { compare, equal, toHex } from '../../src/base/bytes.ts';
import { guiltyOf } from '../../src/consensus/evidence.ts';
import { DEFAULT_STAKE } from '../../src/node/genesis.ts';
import { nodeWithKey, operatorOf } from '../../src/shards/node.ts';
import { commonBlocks, NodeProcesses, until } from '../helpers/node-processes.ts';

/** Each wait has its own end. */
const TEST_MS = 300_000;

const BUILD = fileURLToPath(new URL('./double-signing-build.ts', import.meta.url));

test(
  'who signs twice is convicted on the chain and loses stake and office, and the chain goes on',
  async () => {
    const network = await NodeProcesses.found(4, true);
    onTestFinished(() => network.remove());
    const [liar, ...honest] = network.folders as [string, ...string[]];
    await network.run(honest);
    await network.run([liar], ['--import', BUILD]);
    expect(await network.log(liar)).toContain('this build signs twice');
    const nodes = await Promise.all(network.folders.map((folder) => network.nodeOf(folder)));
    const [guilty] = nodes as [(typeof nodes)[0]];

    await until('it is convicted', async () => {
      await network.transfer();
      return (await network.chain.read((state) => nodeWithKey(state, guilty)!.isTombstoned)).value;
    });
    const { value } = await network.chain.read((state, at) => ({
      ...readNode(state, at, nodeWithKey(state, guilty)!),
      operator: operatorOf(state, nodeWithKey(state, guilty)!.operator),
      validators: readValidators(state, undefined).rows!,
    }));
    expect(value.node.offence?.class).toBe('double-sign');
    expect(value.operator.isTombstoned).toBe(true);
    // 5 %, and three times its share of all power.
    expect(value.stake).toBe((DEFAULT_STAKE * 20n) / 100n);
    const punished = value.validators.filter(({ isTombstoned }) => isTombstoned);
    expect(punished.map(({ node }) => toHex(node))).toEqual([toHex(guilty)]);

    await network.transfer();
    await network.transfer();
    await network.stop();
    const index = nodes.toSorted(compare).findIndex((node) => equal(node, guilty));
    const evidence = (await commonBlocks(network.folders)).flatMap(({ body }) => body.evidence);
    expect(evidence.map(guiltyOf)).toEqual([[index]]);
  },
  TEST_MS,
);
