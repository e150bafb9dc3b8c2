// Where trust begins for a node that takes a state.

import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/runtime/clock.ts';
import { ephemeralIdentity } from '../../../src/runtime/identity.ts';
import type { Digest } from '../../../src/base/ids.ts';
import { CHAIN_SERVICES } from '../../../src/shards/chain-messages.ts';
import type { ChainNetwork, ChainNode } from '../../helpers/chain-network.ts';
import { digestFrom } from '../../helpers/records.ts';
import { expectSame, grown, hasCaughtUp, served, until } from './sync-kit.ts';

const running: ChainNetwork[] = [];
afterEach(async () => {
  for (const network of running.splice(0)) await network.stop();
});

const YEAR_MS = 365 * 24 * 3600 * 1000;

async function founded(): Promise<ChainNetwork> {
  const network = await grown({ createdAtMs: Date.now() - YEAR_MS });
  running.push(network);
  return network;
}

test('trust in a founding of long ago is refused, and a block that the operator was told is believed', async () => {
  const network = await founded();
  const [first] = network.nodes as [ChainNode];
  const late = await network.add();
  const error = await late.life.ended;
  expect(error?.code).toBe('INVALID_CONFIG');
  expect(error?.next).toContain('--trust-height');
  const height = first.service.chain.head.height - 1;
  const id = (await first.service.queries.light(height)).id;
  await network.restart(late, { trust: { height, id } });
  await until('it is level', () => hasCaughtUp(late, first));
  await expectSame(late, first);
});

test('trust in a block that the chain does not have leads nowhere', async () => {
  const network = await founded();
  const [first] = network.nodes as [ChainNode];
  const height = first.service.chain.head.height - 1;
  const late = await network.add(ephemeralIdentity(), {
    trust: { height, id: digestFrom<Digest>('wrong') },
  });
  await until('all were asked', () =>
    network.nodes.slice(0, 3).every((node) => served(node, CHAIN_SERVICES.light) > 0),
  );
  await systemClock.sleep(300);
  expect(late.life.status()).toMatchObject({ height: 0 });
  expect(late.service.store.restoring).toBeUndefined();
});
