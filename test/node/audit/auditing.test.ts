import { expect, test } from 'vitest';
import { equal, toHex } from '../../../src/base/bytes.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { anchorProblem } from '../../../src/proofs/anchor.ts';
import { decodeResponse, encodeResponse, signResponse } from '../../../src/proofs/response.ts';
import { FAILED, HELD, MOVED } from '../../../src/node/audit/group-audit.ts';
import { leadersOf } from '../../../src/node/audit/leading.ts';
import { contentsOf } from '../../../src/node/audit/contents.ts';
import { nativeVerify } from '../../../src/runtime/crypto.ts';
import { PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import type { AnchorAudit } from '../../../src/shards/operations/anchor-audit.ts';
import { signerFrom } from '../../helpers/records.ts';
import { NETWORK } from '../../shards/world.ts';
import { AuditWorld } from './audit-kit.ts';

/** The chain takes it. */
function expectGood(world: AuditWorld, anchor: AnchorAudit | undefined): AnchorAudit {
  expect(anchor).toBeDefined();
  const { watched, group } = world.auditors[0]!.audit;
  const auditors = { keys: watched.validators.map(({ node }) => node), seats: group.seats };
  expect(
    anchorProblem({ ...anchor!, network: NETWORK }, anchor!.signatures, auditors, nativeVerify),
  ).toBeUndefined();
  return anchor!;
}

const failedOf = (world: AuditWorld, { counts }: AnchorAudit): Record<string, number> =>
  Object.fromEntries(world.names.map((name, index) => [name, counts[index]!.failed]));

const NONE = { a: 0, b: 0, c: 0, d: 0 };

test('nodes that have everything pass, and what the anchor says is what the draw asked', async () => {
  const world = await AuditWorld.create();
  await world.ask();
  const anchor = expectGood(world, await world.lead('a'));
  expect(failedOf(world, anchor)).toEqual(NONE);
  const { watched } = world.of('a');
  for (const [index, name] of world.names.entries()) {
    const { asked, classes } = watched.drawn.get(toHex(world.nodeOf(name)))!;
    const heldKib = classes.reduce((sum, { weight }) => sum + weight, 0);
    expect(asked.length).toBeGreaterThan(0);
    expect(anchor.counts[index]).toEqual({ asked: asked.length, failed: 0, heldKib });
  }
  // More than two thirds, and nobody waited for the rest.
  expect(anchor.signatures.length).toBe(3);
});

test('a node that is away fails all that it was asked, and nobody else does', async () => {
  const world = await AuditWorld.create();
  world.of('c').network.faults.isDead = true;
  await world.ask(['a', 'b', 'd']);
  const anchor = expectGood(world, await world.lead('a'));
  expect(failedOf(world, anchor)).toEqual({ ...NONE, c: anchor.counts[2]!.asked });
  expect(anchor.signatures.map(({ auditor }) => auditor)).toEqual([0, 1, 3]);
});

test('a node fails what it lacks, and only that: it admits it at once', async () => {
  const world = await AuditWorld.create();
  const { asked } = world.of('b').watched.own;
  const lost = world
    .held('b')
    .find(({ place }) => asked.some((each) => each.place.segmentIndex === place.segmentIndex))!;
  await world.of('b').log.remove([world.keyOf(lost)]);
  await world.ask();
  const anchor = expectGood(world, await world.lead('d'));
  const wanted = asked.filter(({ place }) => place.segmentIndex === lost.place.segmentIndex);
  expect(failedOf(world, anchor)).toEqual({ ...NONE, b: wanted.length });
  expect(world.of('a').audit.openOf(world.nodeOf('b'))).toEqual([]);
});

test('a rotten leaf is one that fails', async () => {
  const world = await AuditWorld.create();
  for (const held of world.held('d')) world.of('d').log.rot(world.keyOf(held));
  await world.ask();
  const anchor = expectGood(world, await world.lead('a'));
  expect(failedOf(world, anchor)).toEqual({ ...NONE, d: anchor.counts[3]!.asked });
});

test('who answers some auditors only has answered: they show the others', async () => {
  const world = await AuditWorld.create();
  const selective = world.of('c');
  // Only a hears of it.
  await world.ask(['a']);
  selective.network.faults.isDead = true;
  await world.ask(['b', 'd']);
  selective.network.faults.isDead = false;
  expect(world.of('b').audit.openOf(selective.node).length).toBeGreaterThan(0);
  // A leader who has seen nothing of it learns, and one who has seen it teaches.
  for (const leader of ['b', 'a', 'd']) {
    expect(failedOf(world, expectGood(world, await world.lead(leader)))).toEqual(NONE);
  }
});

test('an answer that another node signed, or that is of another round, is none', async () => {
  const world = await AuditWorld.create();
  const liar = world.of('b');
  liar.network.faults.lie = (service, reply) => {
    if (service !== 'audit') return reply;
    const { openings } = decodeResponse(reply.body);
    const context = world.of('a').audit.context(liar.node);
    const bySomebodyElse = signResponse(context, openings, [], signerFrom('node d'));
    const earlier = { ...context, round: context.round - 1 };
    const replayed = signResponse(earlier, openings, [], liar.signer);
    const part = openings.length % 2 === 0 ? bySomebodyElse : replayed;
    return { ...reply, body: encodeResponse(part) };
  };
  await world.ask(['a', 'c', 'd']);
  const anchor = expectGood(world, await world.lead('a'));
  expect(failedOf(world, anchor)).toEqual({ ...NONE, b: anchor.counts[1]!.asked });
});

test('an auditor that calls everything failed is shown the opposite, and decides nothing alone', async () => {
  const world = await AuditWorld.create();
  // b has asked nobody, so to it all have failed.
  await world.ask(['a', 'c', 'd']);
  const anchor = expectGood(world, await world.lead('b'));
  expect(failedOf(world, anchor)).toEqual(NONE);
});

test('auditors that are away leave the others to it, as long as these have more than two thirds of the seats', async () => {
  const world = await AuditWorld.create();
  await world.ask();
  world.of('b').network.faults.isDead = true;
  expectGood(world, await world.lead('a'));
  world.of('c').network.faults.isDead = true;
  expect(await world.lead('a')).toBeUndefined();
});

test('what is the place of another by now is neither held nor failed', async () => {
  const world = await AuditWorld.create();
  world.of('c').network.faults.isDead = true;
  await world.ask(['a', 'b', 'd']);
  // Everything of c has been given to d since.
  world.setHolders((segment, piece) => {
    const name = world.names[(segment + piece) % 4]!;
    return name === 'c' ? 'd' : name;
  });
  const anchor = expectGood(world, await world.lead('a'));
  expect(failedOf(world, anchor)).toEqual(NONE);
  expect(anchor.counts[2]!.asked).toBe(0);
  const { audit } = world.of('a');
  const verdicts = audit.verdicts(await contentsOf(world.chain, audit.unseenPlaces()));
  const ofC = audit.lines.flatMap(({ node }, position) =>
    equal(node, world.nodeOf('c')) ? [verdicts[position]] : [],
  );
  expect(new Set(ofC)).toEqual(new Set([MOVED]));
  expect([HELD, FAILED, MOVED]).toEqual([0, 1, 2]);
});

test('a node answers its auditors and what the round asks, and nothing else', async () => {
  const world = await AuditWorld.create();
  const stranger = world.hub.join(signerFrom('stranger').publicKey as NodeId);
  stranger.setAddresses(world.nodeOf('a'), { control: [], bulk: ['/memory/a'] });
  await world.ask(['b']);
  const { encodeRequest } = await import('../../../src/proofs/response.ts');
  const { round, seed } = world.of('a').watched.round;
  const { asked } = world.of('a').watched.own;
  const call = (from: { call: typeof stranger.call }, request: Parameters<typeof encodeRequest>[0]) =>
    from.call(world.nodeOf('a'), 'audit', { header: encodeRequest(request) }, { maxBodyLength: 2 ** 24 });
  const good = { round, seed, asked: asked.slice(0, 3) };
  await expect(call(stranger, good)).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  const b = world.of('b').network;
  await expect(call(b, { ...good, round: round + 1 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(call(b, { ...good, seed: asked[0]!.place.object as never })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  const { asked: foreign } = world.of('b').watched.own;
  await expect(call(b, { ...good, asked: foreign.slice(0, 1) })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  expect(decodeResponse((await call(b, good)).body).openings.length).toBe(3);
});

test('a node keeps the last receipt of each of its auditors, and takes none of others', async () => {
  const world = await AuditWorld.create();
  await world.ask();
  const receipts = world.of('a').receipts.of(7);
  // From b, c and d; itself it gives none.
  expect(receipts.size).toBe(3);
  for (const { held } of receipts.values()) expect(held).toEqual(world.of('a').watched.own.asked);
  expect(() =>
    world.of('a').receipts.take(signerFrom('stranger').publicKey as NodeId, new Uint8Array(3)),
  ).toThrow();
});

test('every auditor leads in turn, in an order that all know', async () => {
  const world = await AuditWorld.create();
  const orders = world.auditors.map(({ audit }) => leadersOf(audit, PORTABLE_HASHES).map(toHex));
  expect(new Set(orders.map(String)).size).toBe(1);
  expect(orders[0]!.toSorted()).toEqual(world.names.map((name) => toHex(world.nodeOf(name))).toSorted());
});
