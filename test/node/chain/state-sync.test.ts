// Nodes that cannot catch up block by block: they take the state of a checkpoint, believing nobody, and go on from there.

import { afterEach, describe, expect, test } from 'vitest';
import { ephemeralIdentity } from '../../../src/runtime/identity.ts';
import { CHAIN_SERVICES } from '../../../src/shards/chain-messages.ts';
import type { CheckpointReply, ChunkReply } from '../../../src/shards/sync-messages.ts';
import { ChainNetwork, type ChainNode } from '../../helpers/chain-network.ts';
import { digestFrom } from '../../helpers/records.ts';
import {
  CHECKPOINT,
  CHUNK,
  expectSame,
  grown,
  hasCaughtUp,
  KEEPING,
  lies,
  served,
  until,
} from './sync-kit.ts';

const running: ChainNetwork[] = [];
afterEach(async () => {
  for (const network of running.splice(0)) await network.stop();
});

async function started(options: Parameters<typeof grown>[0] = {}): Promise<ChainNetwork> {
  const network = await grown(options);
  running.push(network);
  return network;
}

describe('a node that comes when the first blocks are gone', () => {
  test('takes the state of a checkpoint, follows, and serves those who come after it', async () => {
    const network = await started();
    const [first] = network.nodes as [ChainNode];
    const late = await network.add(ephemeralIdentity(), { keeping: KEEPING });
    await until('it is level', () => hasCaughtUp(late, first));
    expect(late.service.store.oldestBlock).toBeGreaterThan(1);
    await until('it follows', () => late.life.status().role === 'following');
    await expectSame(late, first);
    const { height } = late.service.chain.head;
    await until('it goes on', () => late.service.chain.head.height > height + 3);
    for (const { network: member } of network.nodes.slice(0, 3)) {
      member.faults.refuse = (service) => (service === CHAIN_SERVICES.chunk ? 'BUSY' : undefined);
    }
    const later = await network.add(ephemeralIdentity(), { keeping: KEEPING });
    await until('the next one is level', () => hasCaughtUp(later, first));
    expect(late.network.callsServed.get(CHAIN_SERVICES.chunk)).toBeGreaterThan(0);
    await expectSame(later, first);
  });
});

describe('liars', () => {
  const FALSE_CHUNKS: { readonly name: string; readonly change: (reply: ChunkReply) => ChunkReply }[] = [
    {
      name: 'another record',
      change: ({ chunk, records }) => ({ chunk, records: records.with(0, new Uint8Array([7])) }),
    },
    {
      name: 'a record left out',
      change: ({ chunk, records }) => ({
        chunk: { ...chunk, leaves: chunk.leaves.slice(1) },
        records: records.slice(1),
      }),
    },
    {
      name: 'another place',
      change: ({ chunk, records }) => ({ chunk: { ...chunk, prefix: moved(chunk) }, records }),
    },
  ];
  const moved = ({ prefix }: ChunkReply['chunk']): ChunkReply['chunk']['prefix'] =>
    `${prefix}1` as ChunkReply['chunk']['prefix'];

  test('who give false chunks are asked once, and the rest comes from others', async () => {
    const network = await started({ members: 4 });
    const [honest, ...others] = network.nodes as [ChainNode, ChainNode, ChainNode, ChainNode];
    for (const [index, { change }] of FALSE_CHUNKS.entries()) {
      lies(others[index]!, CHAIN_SERVICES.chunk, CHUNK, change);
    }
    const late = await network.add();
    await until('it is level', () => hasCaughtUp(late, honest));
    await expectSame(late, honest);
    for (const liar of others) expect(served(liar, CHAIN_SERVICES.chunk)).toBe(1);
    expect(served(honest, CHAIN_SERVICES.chunk)).toBeGreaterThan(2);
  });

  test('who show false checkpoints are not believed', async () => {
    const network = await started({ members: 4 });
    const [honest, ...others] = network.nodes as [ChainNode, ChainNode, ChainNode, ChainNode];
    const higher = ({ checkpoint, ...rest }: CheckpointReply): CheckpointReply => ({
      ...rest,
      checkpoint: { ...checkpoint, height: checkpoint.height + 1000 },
    });
    const otherState = ({ shards, ...rest }: CheckpointReply): CheckpointReply => ({
      ...rest,
      shards: shards.map((shard) => ({ ...shard, stateRoot: digestFrom('forged') })),
    });
    const otherBlock = (reply: CheckpointReply): CheckpointReply => ({ ...reply, last: reply.first });
    for (const [index, change] of [higher, otherState, otherBlock].entries()) {
      lies(others[index]!, CHAIN_SERVICES.checkpoint, CHECKPOINT, change);
    }
    const late = await network.add();
    await until('it is level', () => hasCaughtUp(late, honest));
    await expectSame(late, honest);
  });

  test('who stop half way do not stop it', async () => {
    const network = await started();
    const [first, second, third] = network.nodes as [ChainNode, ChainNode, ChainNode];
    for (const quiet of [second, third]) {
      let left = 1;
      quiet.network.faults.refuse = (service) => {
        if (service !== CHAIN_SERVICES.chunk) return undefined;
        return left-- > 0 ? undefined : 'UNREACHABLE';
      };
    }
    const late = await network.add();
    await until('it is level', () => hasCaughtUp(late, first));
    await expectSame(late, first);
  });

  test('who say that the blocks are gone do not bring a node to fetch a state that nobody proves', async () => {
    const network = await ChainNetwork.start({ members: 3, heartbeatMs: 20 });
    running.push(network);
    const [first, liar] = network.nodes as [ChainNode, ChainNode];
    await until('a few heights', () => first.service.chain.head.height >= 5);
    liar.network.faults.refuse = (service) =>
      service === CHAIN_SERVICES.decisions ? 'NOT_FOUND' : undefined;
    const late = await network.add();
    await until('it is level', () => hasCaughtUp(late, first));
    expect(late.service.store.oldestBlock).toBe(1);
  });
});
