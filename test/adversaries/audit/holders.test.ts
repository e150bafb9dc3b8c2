// Holders that lie to their auditors, and what becomes of each.

import { expect, test } from 'vitest';
import type { Place } from '../../../src/proofs/place.ts';
import { comparePlaces } from '../../../src/proofs/place.ts';
import { encodeGetPiece, SERVICES } from '../../../src/replication/messages.ts';
import { admitsEverything } from './admitter.ts';
import { answersOnly } from './answering.ts';
import { servesAuditorsOnly } from './auditors-only.ts';
import { dropsHalf } from './dropper.ts';
import { asksAsAuditor, fetchesFromReads } from './fetcher.ts';
import { delays, hides } from './hider.ts';
import { relays } from './relayer.ts';
import { Stage } from './stage.ts';

const LIAR = 'n2';

async function readsFrom(stage: Stage, name: string): Promise<string> {
  const { place } = stage.world.held(name)[0]!;
  const header = encodeGetPiece({ ...place, root: stage.world.rootOf(place), range: undefined });
  const { network } = stage.of('n0');
  const call = network.call(stage.node(name), SERVICES.getPiece, { header }, { maxBodyLength: 2 ** 24 });
  return call.then(
    () => 'served',
    (error: unknown) => (error as { code: string }).code,
  );
}

function placeAsked(stage: Stage): Place {
  return stage.of(LIAR).watched.own.asked[0]!.place;
}

function askedAt(stage: Stage, place: Place): number {
  return stage.of(LIAR).watched.own.asked.filter((each) => comparePlaces(each.place, place) === 0).length;
}

test('who serves auditors and no readers passes: the chain does not notice, readers do', async () => {
  const stage = await Stage.open();
  servesAuditorsOnly(stage.of(LIAR));
  const anchor = (await stage.audit())!;
  expect(stage.counts(anchor, LIAR).failed).toBe(0);
  expect(stage.standing(LIAR)).toMatchObject({ silentRounds: 0, score: 1_000_000 });
  expect(await readsFrom(stage, LIAR)).toBe('BUSY');
  expect(await readsFrom(stage, 'n1')).toBe('served');
});

test.each([
  ['as it is', false],
  ['signed again', true],
])("who passes on another's answer, %s, has answered nothing", async (_how, isSigned) => {
  const stage = await Stage.open();
  relays(stage.world, stage.of(LIAR), stage.of('n1'), isSigned);
  const anchor = (await stage.audit('n0', ['n0', 'n1', 'n3']))!;
  const { asked, failed } = stage.counts(anchor, LIAR);
  expect([failed, asked]).toEqual([asked, stage.of(LIAR).watched.own.asked.length]);
  expect(stage.standing(LIAR).silentRounds).toBe(1);
});

test('nobody gets out of an audit service what somebody else is asked for', async () => {
  const stage = await Stage.open();
  const answers = await asksAsAuditor(stage.world, stage.of(LIAR), stage.of('n1'));
  expect(answers.length).toBeGreaterThan(20);
  expect(new Set(answers)).toEqual(new Set(['INVALID_ARGUMENT']));
});

test('who fetches what it is asked for while the auditor waits passes as long as k others serve it, at many times the bytes, and no longer', async () => {
  const stage = await Stage.open();
  const { world } = stage;
  const liar = stage.of(LIAR);
  const outboards = new Map(
    world
      .held(LIAR)
      .map(({ place }) => [`${place.segmentIndex}/${place.pieceIndex}`, world.outboardOf(place)] as const),
  );
  await liar.log.remove(world.held(LIAR).map((each) => world.keyOf(each)));
  const fetched = fetchesFromReads(world, liar, outboards);
  const anchor = (await stage.audit())!;
  expect(stage.counts(anchor, LIAR).failed).toBe(0);
  // Two groups of sixteen leaves for a leaf.
  expect(fetched.bytes).toBeGreaterThan(32 * fetched.shown);

  stage.nextRound();
  for (const name of ['n1', 'n3']) servesAuditorsOnly(stage.of(name));
  const later = (await stage.audit())!;
  expect(stage.counts(later, LIAR).failed).toBe(stage.counts(later, LIAR).asked);
});

test('who leaves one place open fails there, and what it shows counts', async () => {
  const stage = await Stage.open();
  const hidden = placeAsked(stage);
  hides(stage.of(LIAR), hidden);
  const anchor = (await stage.audit())!;
  expect(stage.counts(anchor, LIAR)).toMatchObject({
    asked: stage.of(LIAR).watched.own.asked.length,
    failed: askedAt(stage, hidden),
  });
  expect(stage.standing(LIAR)).toMatchObject({ silentRounds: 0, failed: askedAt(stage, hidden) });
});

test('who keeps auditors waiting for one place keeps nobody else waiting, and fails', async () => {
  const stage = await Stage.open();
  const hidden = placeAsked(stage);
  delays(stage.world, stage.of(LIAR), hidden);
  const anchor = (await stage.audit('n0', ['n0', 'n1', 'n3']))!;
  expect(stage.counts(anchor, LIAR).failed).toBeGreaterThanOrEqual(askedAt(stage, hidden));
  for (const name of ['n0', 'n1', 'n3']) expect(stage.counts(anchor, name).failed).toBe(0);
});

test('holders that use up all the time they get take none from the others', async () => {
  const stage = await Stage.open({ count: 7, audit: { leaves: 8 } });
  const { world } = stage;
  // As many as an auditor asks at a time, and one more.
  for (const name of ['n0', 'n1', 'n2', 'n3', 'n4']) {
    for (const { place } of world.held(name)) delays(world, stage.of(name), place);
  }
  await world.ask(['n5', 'n6']);
  for (const auditor of ['n5', 'n6']) {
    for (const honest of ['n5', 'n6']) expect(stage.of(auditor).audit.openOf(stage.node(honest))).toEqual([]);
  }
});

test('who has dropped half is caught in the first round', async () => {
  for (const seed of ['1', '2', '3']) {
    const stage = await Stage.open({ seed });
    await dropsHalf(stage.world, stage.of(LIAR));
    const anchor = (await stage.audit())!;
    const { asked, failed } = stage.counts(anchor, LIAR);
    expect(failed).toBeGreaterThan(0);
    expect(failed).toBeLessThan(asked);
    expect(stage.standing(LIAR).failed).toBe(failed);
  }
});

test('who admits everything has failed everything, and is not asked again in the round', async () => {
  const stage = await Stage.open();
  await admitsEverything(stage.world, stage.of(LIAR));
  await stage.world.ask(['n0'], false);
  const asked = stage.of(LIAR).network.callsServed.get('audit');
  const anchor = (await stage.audit())!;
  expect(stage.counts(anchor, LIAR).failed).toBe(stage.counts(anchor, LIAR).asked);
  // Once by each of the others, and by n0 not again.
  const parts = Math.ceil(stage.counts(anchor, LIAR).asked / 64);
  expect(stage.of(LIAR).network.callsServed.get('audit')).toBe(asked! + 3 * parts);
  for (const position of stage.positions(LIAR)) {
    expect(stage.of('n0').audit.admissionAt(position)).toBeDefined();
  }
  expect(stage.standing(LIAR).silentRounds).toBe(1);
});

test('who answers one auditor only has answered, whoever leads', async () => {
  for (const leader of ['n0', 'n1', 'n3']) {
    const stage = await Stage.open();
    answersOnly(stage.of(LIAR), [stage.node('n0')]);
    await stage.world.ask(['n0', 'n1', 'n3']);
    expect(stage.of('n1').audit.openOf(stage.node(LIAR)).length).toBeGreaterThan(0);
    const anchor = (await stage.world.lead(leader))!;
    expect(stage.counts(anchor, LIAR).failed).toBe(0);
    expect(stage.handIn(anchor)).toBeUndefined();
  }
});
