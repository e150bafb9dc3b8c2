// Auditors that audit falsely, and what becomes of each.

import { expect, test } from 'vitest';
import { concat } from '../../../src/base/bytes.ts';
import { FAILED, HELD, MOVED } from '../../../src/node/audit/group-audit.ts';
import { encodeReview } from '../../../src/node/audit/review-messages.ts';
import { contradiction, encodeContradiction } from '../../../src/proofs/contradiction.ts';
import { PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import { encodeResultProof, proveResult, verifyResult } from '../../../src/proofs/results.ts';
import { anchorOf } from '../../../src/shards/anchors.ts';
import { reportAuditor } from '../../../src/shards/operations/report-auditor.ts';
import { toHex } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../sim/random.ts';
import { contradictsItself } from './contradicting.ts';
import { dropsHalf } from './dropper.ts';
import { proposes, sends } from './leaders.ts';
import { refusesToSign } from './refuser.ts';
import { Stage, verdictsWith } from './stage.ts';

const LIAR = 'n3';
const HONEST = ['n0', 'n1', 'n2'];

test('a failure against its own receipt: alone it convinces nobody, together with others each is convicted by less than 1 KiB', async () => {
  const stage = await Stage.open();
  await stage.world.ask();
  const { audit } = stage.of(LIAR);
  const verdicts = verdictsWith(audit.lines.length, stage.positions('n0'));
  expect(stage.handIn(stage.conspire([LIAR], verdicts))).toBe('invalid-certificate');
  for (const name of HONEST) {
    const reply = await proposes(stage.of(LIAR), stage.of(name), { verdicts });
    expect(reply).toMatchObject({ signature: null });
  }

  expect(stage.handIn(stage.conspire(['n1', 'n2', LIAR], verdicts))).toBeUndefined();
  const receipt = stage
    .of('n0')
    .receipts.of(stage.of('n0').watched.round.round)
    .get(toHex(stage.node(LIAR)))!;
  const evidence = contradictsItself(stage, LIAR, 'n0', verdicts, receipt)!;
  expect(encodeContradiction(evidence).length).toBeLessThan(1024);
  const before = stage.ledger.node(LIAR).bonded;
  const report = () => stage.ledger.run('anybody', reportAuditor, { evidence });
  expect(report()).toBeUndefined();
  expect(stage.ledger.node(LIAR).bonded).not.toEqual(before);
  expect(report()).toBe('already-exists');
  // Of what it did not find held there is no receipt.
  const other = { ...receipt, held: receipt.held.slice(1) };
  expect(
    contradiction({ group: 0, auditor: 0 }, other, { ...evidence, verdict: 'failed', ...evidence.result }),
  ).toBeUndefined();
});

test('a pass that was none: the others want to see it, and there is nothing to be shown', async () => {
  const stage = await Stage.open();
  await dropsHalf(stage.world, stage.of('n0'));
  await stage.world.ask();
  const { audit } = stage.of(LIAR);
  const failed = [...(await stage.verdicts(LIAR)).entries()].flatMap(([at, each]) =>
    each === FAILED ? [at] : [],
  );
  expect(failed.length).toBeGreaterThan(0);
  const verdicts = verdictsWith(audit.lines.length, []);
  for (const name of HONEST) {
    const reply = await proposes(stage.of(LIAR), stage.of(name), { verdicts });
    expect(reply).toMatchObject({ signature: null, needs: failed.slice(0, 64) });
  }
  expect(audit.show(failed, PORTABLE_HASHES)).toEqual([]);

  // Enough of them together say so: it stands in a result of less than 1 KiB, under their signatures, for whoever doubts it.
  const anchor = stage.conspire(['n1', 'n2', LIAR], verdicts);
  expect(stage.handIn(anchor)).toBeUndefined();
  const { round } = audit.watched.round;
  const proof = proveResult(round, audit.findings(verdicts), failed[0]!, PORTABLE_HASHES.sha256)!;
  expect(encodeResultProof(proof).length).toBeLessThan(1024);
  expect(verifyResult(anchorOf(stage.ledger.view, round, 0)!, round, proof)).toBe(true);
  expect(proof.verdict).toBe('held');
});

test('one that refuses to sign, or says nothing at all, is not waited for', async () => {
  for (const how of ['refuses', 'stalls'] as const) {
    const stage = await Stage.open();
    refusesToSign(stage.world, stage.of(LIAR), how);
    const anchor = (await stage.audit())!;
    expect(anchor.signatures.map(({ auditor }) => auditor)).toEqual(
      HONEST.map((name) => stage.auditor(name)).toSorted((a, b) => a - b),
    );
  }
});

test('one that leads and keeps the result to itself: the next one leads, and its result is the one that counts', async () => {
  const stage = await Stage.open();
  await stage.world.ask();
  const withheld = (await stage.world.lead(LIAR))!;
  const anchor = (await stage.world.lead('n0'))!;
  expect(stage.handIn(anchor)).toBeUndefined();
  expect(stage.handIn(withheld)).toBe('already-exists');
  expect(withheld.root).toEqual(anchor.root);
});

test('one that leads before the others have asked gets no failure signed, by however many', async () => {
  const stage = await Stage.open();
  const { audit } = stage.of(LIAR);
  const all = verdictsWith(audit.lines.length, [...audit.lines.keys()]);
  for (const name of HONEST) {
    expect(await proposes(stage.of(LIAR), stage.of(name), { verdicts: all })).toMatchObject({
      signature: null,
      needs: [],
      shown: [],
    });
  }
  // They have asked once, somebody was late, and they will ask again.
  stage.of('n1').network.faults.isDead = true;
  await stage.world.ask(['n0', 'n2'], false);
  const late = verdictsWith(audit.lines.length, stage.positions('n1'));
  expect(await proposes(stage.of(LIAR), stage.of('n0'), { verdicts: late })).toMatchObject({
    signature: null,
  });
  stage.of('n1').network.faults.isDead = false;
  await stage.world.ask();
  const anchor = (await stage.world.lead('n0'))!;
  for (const name of stage.world.names) expect(stage.counts(anchor, name).failed).toBe(0);
});

test('nobody signs failures of whom it has not asked, and who has asked nobody leads to none', async () => {
  const stage = await Stage.open();
  stage.of('n1').network.faults.isDead = true;
  await stage.world.ask([LIAR]);
  // n0 and n2 were asleep for the whole of the round.
  for (const name of ['n0', 'n2']) stage.of(name).audit.endAsking();
  const verdicts = verdictsWith(stage.of(LIAR).audit.lines.length, stage.positions('n1'));
  for (const name of ['n0', 'n2']) {
    expect(await proposes(stage.of(LIAR), stage.of(name), { verdicts })).toMatchObject({ signature: null });
  }
  expect(await stage.world.lead('n0')).toBeUndefined();
});

test('proposals that mean nothing are refused, and change nothing', async () => {
  const stage = await Stage.open();
  await stage.world.ask();
  const liar = stage.of(LIAR);
  const to = stage.of('n0');
  const { audit } = liar;
  const { length } = audit.lines;
  const good = verdictsWith(length, []);
  const [shown] = audit.show([0], PORTABLE_HASHES);
  const propose = (proposal: Parameters<typeof proposes>[2]) =>
    proposes(liar, to, { verdicts: good, ...proposal });
  expect(await propose({ verdicts: good.subarray(1) })).toBe('INVALID_ARGUMENT');
  expect(await propose({ verdicts: concat(good, good) })).toBe('INVALID_ARGUMENT');
  expect(await propose({ verdicts: new Uint8Array(length).fill(MOVED + 1) })).toBe('INVALID_ARGUMENT');
  expect(await propose({ verdicts: new Uint8Array(length).fill(255) })).toBe('INVALID_ARGUMENT');
  expect(await propose({ group: 1 })).toBe('NOT_FOUND');
  expect(await propose({ round: 1_000_000 })).toBe('NOT_FOUND');
  expect(await propose({ verdicts: new Uint8Array(length).fill(MOVED) })).toMatchObject({ signature: null });
  // Positions that there are not, and openings that are of others: left aside.
  expect(await propose({ shown: [{ ...shown!, position: 500_000 }] })).toMatchObject({ needs: [] });
  expect(HELD).toBe(0);
});

test('openings of another round, or of another place, make nobody believe that something was shown', async () => {
  const stage = await Stage.open();
  await stage.world.ask();
  const old = stage.of(LIAR).audit.show(stage.positions('n1').slice(0, 20), PORTABLE_HASHES);
  expect(old.length).toBe(20);
  stage.nextRound();
  stage.of('n1').network.faults.isDead = true;
  await stage.world.ask(['n0']);
  const asked = stage.positions('n1');
  const verdicts = verdictsWith(stage.of('n0').audit.lines.length, []);
  const shown = asked.slice(0, 20).map((position, index) => ({ position, shown: old[index]!.shown }));
  const reply = await proposes(stage.of(LIAR), stage.of('n0'), { verdicts, shown });
  expect(reply).toMatchObject({ signature: null, needs: asked.slice(0, 64) });
});

test('ten thousand malformed reviews are refused, each with a word, and cost no more than they are long', async () => {
  const stage = await Stage.open();
  await stage.world.ask();
  const liar = stage.of(LIAR);
  const to = stage.of('n0');
  const random = new SeededRandom(5, 'reviews');
  const { watched } = liar;
  const verdicts = verdictsWith(liar.audit.lines.length, []);
  const [shown] = liar.audit.show([0], PORTABLE_HASHES);
  const good = encodeReview({ round: watched.round.round, group: 0, verdicts, shown: [shown!] });
  const codes = new Map<string, number>();
  for (let sent = 0; sent < 10_000; sent++) {
    const body = good.slice(0, random.below(10) === 0 ? random.below(good.length) : good.length);
    for (let flips = 1 + random.below(4); flips > 0 && body.length > 0; flips--) {
      body[random.below(body.length)]! ^= 1 << random.below(8);
    }
    const reply = await sends(liar, to, body);
    const code = typeof reply === 'string' ? reply : 'answered';
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }
  const refusals = ['INVALID_ENCODING', 'INVALID_ARGUMENT', 'NOT_FOUND', 'UNAUTHORIZED', 'BUSY'];
  expect([...refusals, 'answered']).toEqual(expect.arrayContaining([...codes.keys()]));
  // Those that were in form took work: no more of them than it takes to lead.
  expect(codes.get('answered') ?? 0).toBeLessThan(50);
  // Others still get what they ask for.
  const reply = await proposes(stage.of('n1'), to, { verdicts });
  expect((reply as { signature: unknown }).signature).not.toBeNull();
});

test('a third of the seats together convict nobody, and hold up no more than the round', async () => {
  const stage = await Stage.open({ count: 6, audit: { leaves: 8 } });
  const liars = ['n4', 'n5'];
  const { seats } = stage.of('n0').audit.group;
  const seatsOf = (names: readonly string[]): number =>
    names.reduce((sum, name) => sum + seats[stage.auditor(name)]!, 0);
  expect([seatsOf(liars), seatsOf(stage.world.names)]).toEqual([7, 21]);
  await stage.world.ask();
  const verdicts = verdictsWith(stage.of('n0').audit.lines.length, stage.positions('n0'));
  expect(stage.handIn(stage.conspire(liars, verdicts))).toBe('invalid-certificate');
  for (const name of liars) refusesToSign(stage.world, stage.of(name), 'refuses');
  expect(await stage.world.lead('n0')).toBeUndefined();
  for (const name of stage.world.names) expect(stage.standing(name).failed).toBe(0);

  // Seats of the next round are drawn anew; here the liars have had enough.
  stage.nextRound();
  for (const name of liars) stage.of(name).network.serve(stage.of(name).services.get('audit-review')!);
  expect(await stage.audit()).toBeDefined();
});
