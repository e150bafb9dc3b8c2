import { afterEach, expect, test } from 'vitest';
import { toUtf8 } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { BLOCK_LENGTH_MAX, CONSENSUS_MESSAGE_LENGTH_MAX } from '../../../src/base/limits.ts';
import { encodeMessage } from '../../../src/consensus/messages.ts';
import type { BlockId, Message, ValidatorSet } from '../../../src/consensus/types.ts';
import { validatorSet } from '../../../src/consensus/validator-set.ts';
import type { Decision } from '../../../src/node/validator/host-ports.ts';
import { ValidatorTransport } from '../../../src/node/validator/transport.ts';
import { blockIdOf } from '../../helpers/opaque-application.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { createMemoryHub, type MemoryHub, type MemoryNode } from '../../../src/runtime/memory-network.ts';
import { A, B, HEIGHT, precommit, prevote, proposal } from '../../helpers/agreement.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';

interface Seat {
  readonly network: MemoryNode;
  readonly transport: ValidatorTransport;
  readonly received: { readonly from: NodeId; readonly message: Message; readonly block?: Uint8Array }[];
  readonly blocks: Map<BlockId, Uint8Array>;
  decision: Decision | undefined;
}

const open: Seat[] = [];
afterEach(() => {
  for (const { transport } of open.splice(0)) transport.stop();
});

const idOf = (name: number): NodeId => new Uint8Array(32).fill(name + 1) as NodeId;
const everywhere = { control: ['/memory'], bulk: [] };

function seat(hub: MemoryHub, name: number, set: ValidatorSet): Seat {
  const network = hub.join(idOf(name));
  for (const { node } of set.validators) network.setAddresses(node, everywhere);
  const blocks = new Map<BlockId, Uint8Array>();
  const received: Seat['received'] = [];
  const made: Seat = { network, received, blocks, decision: undefined, transport: undefined as never };
  const transport = new ValidatorTransport({
    network,
    clock: systemClock,
    validatorsAt: (height) => (height <= HEIGHT + 1 ? set : undefined),
    receive: (from, message, block) =>
      received.push({ from, message, ...(block === undefined ? {} : { block }) }),
    held: async (_height, blockId) => blocks.get(blockId),
    decision: async () => made.decision,
  });
  const whole = Object.assign(made, { transport });
  open.push(whole);
  return whole;
}

function seats(count: number): { readonly hub: MemoryHub; readonly all: readonly Seat[] } {
  const hub = createMemoryHub();
  const names = Array.from({ length: count }, (_, name) => name);
  const set = validatorSet(names.map((name) => ({ node: idOf(name), power: 1n })));
  return { hub, all: names.map((name) => seat(hub, name, set)) };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let attempt = 0; !condition(); attempt++) {
    if (attempt > 1000) throw new Error(`not within 5 s: ${what}`);
    await systemClock.sleep(5);
  }
}

const messagesOf = ({ received }: Seat): readonly Message[] => received.map(({ message }) => message);

test('what is broadcast reaches every other validator once, under the name of its sender', async () => {
  const { all } = seats(4);
  all[0]!.transport.broadcast(prevote(0, 0, A), undefined);
  await until(() => all.slice(1).every(({ received }) => received.length === 1), 'all heard');
  await systemClock.sleep(20);
  for (const { received } of all.slice(1)) {
    expect(received).toEqual([{ from: idOf(0), message: prevote(0, 0, A) }]);
  }
  expect(all[0]!.received).toEqual([]);
  expect(all[0]!.transport.counts.sentByKind.prevote).toBe(3);
  expect(all[0]!.transport.counts.sentBytes).toBe(3 * encodeMessage(prevote(0, 0, A)).length);
});

test('a proposal travels with its block, the longest there may be and the empty one too', async () => {
  const { all } = seats(2);
  for (const [round, length] of [0, BLOCK_LENGTH_MAX].entries()) {
    const block = new Uint8Array(length).fill(7);
    all[0]!.transport.broadcast(proposal(0, round, blockIdOf(block)), block);
    await until(() => all[1]!.received.length === round + 1, 'it came');
    expect(all[1]!.received[round]!.block?.length).toBe(length);
  }
});

test('a block that is held already does not come again, but its message does', async () => {
  const { all } = seats(2);
  const block = new Uint8Array(100_000).fill(3);
  const blockId = blockIdOf(block);
  all[1]!.blocks.set(blockId, block);
  all[0]!.transport.broadcast(proposal(0, 0, blockId), block);
  await until(() => all[0]!.transport.counts.refused === 1, 'the body is refused');
  expect(all[1]!.received).toEqual([{ from: idOf(0), message: proposal(0, 0, blockId) }]);
});

test('a decision goes to the one that asked for it, by its place in the set', async () => {
  const { all } = seats(3);
  all[0]!.transport.send(2, precommit(0, 0, B), undefined);
  await until(() => all[2]!.received.length === 1, 'it came');
  expect(messagesOf(all[1]!)).toEqual([]);
});

test('a dead validator delays nobody, and finds the present when it is back', async () => {
  const { hub, all } = seats(4);
  const [first, dead] = [all[0]!, all[3]!];
  dead.network.faults.isDead = true;
  for (let round = 0; round < 50; round++) {
    first.transport.broadcast(prevote(0, round, A), undefined);
    first.transport.broadcast(precommit(0, round, A), undefined);
    await systemClock.sleep(1);
  }
  await until(() => [1, 2].every((index) => all[index]!.received.length === 100), 'the others heard all');
  expect(first.transport.counts.superseded).toBeGreaterThan(90);
  dead.network.faults.isDead = false;
  await until(() => dead.received.length === 2, 'it heard the last');
  await systemClock.sleep(20);
  expect(messagesOf(dead)).toEqual([prevote(0, 49, A), precommit(0, 49, A)]);
  expect(hub.node(idOf(3))?.callsServed.get('consensus-message')).toBe(2);
});

test('a slow validator delays nobody, and its queue stays short', async () => {
  const { all } = seats(3);
  all[2]!.network.faults.delayMs = 50;
  for (let round = 0; round < 30; round++) {
    all[0]!.transport.broadcast(prevote(0, round, A), undefined);
    await systemClock.sleep(1);
  }
  await until(() => all[1]!.received.length === 30, 'the quick one heard all');
  await until(
    () => messagesOf(all[2]!).some((message) => message.round === 29),
    'the slow one heard the last',
  );
});

test('strangers, what is no message, and blocks beside a vote are refused and counted', async () => {
  const { hub, all } = seats(2);
  const target = all[0]!;
  const stranger = hub.join(new Uint8Array(32).fill(0x77) as NodeId);
  stranger.setAddresses(idOf(0), everywhere);
  const vote = encodeMessage(prevote(1, 0, A));
  await stranger.tell(idOf(0), 'consensus-message', vote);
  await expectCodeAsync(
    'UNAUTHORIZED',
    stranger.call(idOf(0), 'consensus-block', { header: encodeMessage(proposal(1, 0, A)) }),
  );
  const from = all[1]!.network;
  await from.tell(idOf(0), 'consensus-message', toUtf8('nonsense'));
  await from.tell(idOf(0), 'consensus-message', new Uint8Array(CONSENSUS_MESSAGE_LENGTH_MAX));
  const withBlock = { header: vote, body: [new Uint8Array(10)] };
  await expectCodeAsync('PROTOCOL', from.call(idOf(0), 'consensus-block', withBlock));
  const tooLong = {
    header: encodeMessage(proposal(1, 0, A)),
    body: [new Uint8Array(BLOCK_LENGTH_MAX + 1)],
  };
  await expectCodeAsync('PROTOCOL', from.call(idOf(0), 'consensus-block', tooLong));
  await until(() => target.transport.counts.strangers === 2, 'the stranger was counted');
  expect(target.transport.counts.malformed).toBe(3);
  expect(target.received).toEqual([]);
});

test('who speaks of a height that is not known here is heard: whoever is behind learns it so', async () => {
  const { all } = seats(2);
  const message = prevote(1, 0, A, { height: 1000 });
  await all[1]!.network.tell(idOf(0), 'consensus-message', encodeMessage(message));
  await until(() => all[0]!.received.length === 1, 'it came');
});

test('a block is fetched from whichever holder has it', async () => {
  const { all } = seats(4);
  const block = toUtf8('a block');
  const blockId = blockIdOf(block);
  all[2]!.blocks.set(blockId, block);
  all[3]!.network.faults.isDead = true;
  const fetched = (holders: readonly number[]): Promise<Uint8Array | undefined> =>
    new Promise((resolve) => void all[0]!.transport.fetchBlock(HEIGHT, blockId, holders, resolve));
  for (let turn = 0; turn < 4; turn++) expect(await fetched([0, 1, 2, 3, 9])).toEqual(block);
  expect(await fetched([1, 3])).toBe(undefined);
  expect(await fetched([])).toBe(undefined);
});

test('a decision is served to validators, and an answer that is none is no decision', async () => {
  const { hub, all } = seats(2);
  const certificate = {
    kind: 'commit-certificate' as const,
    height: HEIGHT,
    round: 0,
    blockId: A,
    signatures: [{ validator: 0, signature: prevote(0, 0, A).signature }],
  };
  const fetch = (height: number) => all[0]!.transport.fetchDecision(idOf(1), height);
  expect(await fetch(HEIGHT)).toBe(undefined);
  all[1]!.decision = { certificate, block: toUtf8('block') };
  expect(await fetch(HEIGHT)).toEqual({ certificate, block: toUtf8('block') });
  // Its height is not the one asked for.
  expect(await fetch(HEIGHT + 1)).toBe(undefined);
  all[1]!.network.faults.lie = (_service, reply) => ({ ...reply, header: toUtf8('lie') });
  expect(await fetch(HEIGHT)).toBe(undefined);
  expect(all[0]!.transport.counts.malformed).toBe(1);
  const stranger = hub.join(new Uint8Array(32).fill(0x77) as NodeId);
  stranger.setAddresses(idOf(1), everywhere);
  const header = new Uint8Array(8);
  header[7] = HEIGHT;
  await expectCodeAsync('UNAUTHORIZED', stranger.call(idOf(1), 'consensus-decision', { header }));
  await expectCodeAsync(
    'INVALID_ENCODING',
    all[0]!.network.call(idOf(1), 'consensus-decision', { header: new Uint8Array(3) }),
  );
});

test('after a stop nothing leaves and nothing is taken', async () => {
  const { all } = seats(2);
  all[0]!.transport.stop();
  all[0]!.transport.broadcast(prevote(0, 0, A), undefined);
  await expectCodeAsync(
    'CLOSED',
    all[1]!.network.call(idOf(0), 'consensus-message', { header: encodeMessage(prevote(1, 0, A)) }),
  );
  expect([all[0]!.received, all[1]!.received]).toEqual([[], []]);
});
