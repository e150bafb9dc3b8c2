// Fetching a state that is interrupted, and nodes that come back.

import { afterEach, describe, expect, test } from 'vitest';
import { openChainStore } from '../../../src/node/chain/chain-store.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { amountOf, NATIVE } from '../../../src/shards/amounts.ts';
import { LEDGER_RULES } from '../../../src/shards/ledger.ts';
import { DEFAULT_TIMEOUTS } from '../../../src/consensus/types.ts';
import { DEFAULT_PARAMETERS } from '../../../src/shards/parameters.ts';
import { CHAIN_SERVICES, encodeNothing } from '../../../src/shards/chain-messages.ts';
import { type ChainNetwork, type ChainNode, operatorOf } from '../../helpers/chain-network.ts';
import { expectSame, grown, hasCaughtUp, PARAMETERS, until } from './sync-kit.ts';

const running: ChainNetwork[] = [];
afterEach(async () => {
  for (const network of running.splice(0)) await network.stop();
});

async function started(options: Parameters<typeof grown>[0] = {}): Promise<ChainNetwork> {
  const network = await grown(options);
  running.push(network);
  return network;
}

/** Until the node that comes has a part of a state; then nobody gives any more. There are more shards than nodes, so it is never all. */
function giveFirst(network: ChainNetwork): void {
  const coming = network.nodes.length;
  for (const { network: member } of network.nodes) {
    member.faults.refuse = (service) => {
      const late = network.nodes[coming];
      const isOver = late !== undefined && hasPart(late);
      return service === CHAIN_SERVICES.chunk && isOver ? 'UNREACHABLE' : undefined;
    };
  }
}

function refuse(network: ChainNetwork, refused: string): void {
  for (const { network: member } of network.nodes)
    member.faults.refuse = (service) => (service === refused ? 'UNREACHABLE' : undefined);
}

const hasPart = (late: ChainNode): boolean => (late.life.status().fetching?.chunks ?? 0) > 0;

function giveAll(network: ChainNetwork): void {
  for (const { network: member } of network.nodes) member.faults.refuse = undefined;
}

describe('a node that was away', () => {
  test('takes a state, keeps the blocks that it has and what it owes clients, and validates again', async () => {
    // Turns of who is away take a moment only, and are forgiven.
    const timeouts = {
      ...DEFAULT_TIMEOUTS,
      proposeMs: 100,
      proposeGrowthMs: 50,
      voteMs: 60,
      voteGrowthMs: 30,
    };
    const slashing = { ...DEFAULT_PARAMETERS.slashing, missedMin: 80_000 };
    const network = await started({ members: 4, parameters: { ...PARAMETERS, timeouts, slashing } });
    const [first, , , away] = network.nodes as [ChainNode, ChainNode, ChainNode, ChainNode];
    await away.life.stop();
    const { height } = away.service.chain.head;
    await until('its next block is pruned', () => first.service.store.oldestBlock > height + 1);
    // One comes before it, so it stays with whoever it was handed to.
    const parameters = { to: operatorOf(0), amounts: amountOf(NATIVE, 1n) };
    const bytes = network.signed('somebody', 1, { kind: 'transfer', parameters });
    refuse(network, CHAIN_SERVICES.checkpoint);
    await network.restart(away);
    await away.service.submit(bytes);
    giveAll(network);
    await until('it is level', () => hasCaughtUp(away, first));
    expect(away.service.store.oldestBlock).toBeGreaterThan(height);
    await until('it owes it again', () => away.life.service?.owed().length === 1);
    expect(away.service.owed()).toEqual([bytes]);
    expect(away.service.chain.head.height).toBeGreaterThan(height);
    expect((await away.service.store.decision(height))?.certificate.height).toBe(height);
    await expectSame(away, first);
    await until('it votes again', () => away.life.status().role === 'validating');
  });
});

describe('a crash while a state is fetched', () => {
  test('loses nothing of it: the node goes on where it was, before it does anything else', async () => {
    const network = await started();
    const [first] = network.nodes as [ChainNode];
    giveFirst(network);
    const late = await network.add();
    await until('a part is here', () => hasPart(late));
    expect(late.life.status()).toMatchObject({ role: 'fetching', height: 0 });
    const asked = first.network.call(
      late.identity.nodeId,
      CHAIN_SERVICES.head,
      { header: encodeNothing() },
      {},
    );
    const refusal = await asked.catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'BUSY' });
    expect((refusal as Error).message).toMatch(
      /this node fetches the state after height [0-9]+: [0-9]+ % of it is here/,
    );
    await late.life.stop();
    const ports = { keyValue: late.keyValue, sha256: nativeSha256, kinds: LEDGER_RULES };
    const { pending, head } = (await openChainStore(ports)).restoring!;
    expect(pending.length).toBeGreaterThan(0);
    const percent = Math.floor(100 * (1 - pending.reduce((sum, { length }) => sum + 2 ** -length, 0)));
    expect(percent).toBeGreaterThan(0);
    await network.restart(late);
    const fetching = { height: head.height, percent, chunks: 0 };
    expect(late.life.status()).toMatchObject({ role: 'fetching', fetching });
    giveAll(network);
    await until('it is level', () => hasCaughtUp(late, first));
    await expectSame(late, first);
  });

  test('and a state that nobody keeps any more is given up for a later one', async () => {
    const network = await started();
    const [first] = network.nodes as [ChainNode];
    giveFirst(network);
    const late = await network.add();
    await until('a part is here', () => hasPart(late));
    const { height } = late.life.status().fetching!;
    await until('that state is gone', () =>
      network.nodes.slice(0, 3).every(({ service }) => !service.store.hasState(height)),
    );
    giveAll(network);
    await until('it is level', () => hasCaughtUp(late, first));
    expect(late.service.store.oldestBlock).toBeGreaterThan(height);
    await expectSame(late, first);
  });
});
