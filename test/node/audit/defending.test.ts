import { expect, test } from 'vitest';
import { equal } from '../../../src/base/bytes.ts';
import type { OwnerId } from '../../../src/base/ids.ts';
import { answerTo, defend, openDisputes } from '../../../src/node/audit/defending.ts';
import { PORTABLE_HASHES } from '../../../src/proofs/opening.ts';
import type { Action } from '../../../src/shards/transaction.ts';
import { type Dispute, disputesOf, putDisputes } from '../../../src/shards/disputes.ts';
import { answerDispute } from '../../../src/shards/operations/answer-dispute.ts';
import { quietLogger } from './quiet-logger.ts';
import { Stage } from '../../adversaries/audit/stage.ts';
import { digestFrom } from '../../helpers/records.ts';

/** Of a result by its number, as the chain keeps it. */
function disputeOf(stage: Stage, index: number): Dispute {
  const { audit, watched } = stage.of('n0');
  const { node, asked } = audit.lines[index]!;
  return {
    round: watched.round.round,
    group: 0,
    index,
    node,
    asked,
    content: { root: stage.world.rootOf(asked.place), lengthBytes: stage.world.payloadLength(asked.place) },
    disputer: digestFrom<OwnerId>('disputer'),
    bond: 0n,
  };
}

test('an auditor shows what it saw when somebody disputes it, rounds later, and the chain takes it', async () => {
  const stage = await Stage.open();
  expect(await stage.audit()).toBeDefined();
  const { audit } = stage.of('n0');
  const [first, second] = stage.positions('n1') as [number, number];
  const disputes = [disputeOf(stage, first), disputeOf(stage, second)];
  stage.ledger.write((state) => putDisputes(state, { open: disputes, owed: [] }));
  audit.close();
  stage.nextRound();
  const chain = { load: async (keys: readonly { readonly text: string }[]) => keys.map(stateOf(stage)) };
  expect(await openDisputes(chain)).toEqual(disputes);
  const found = answerTo(disputes[1]!, [stage.of('n0').audit, audit], PORTABLE_HASHES)!;
  expect(found.audit).toBe(audit);
  expect(stage.ledger.run('o0', answerDispute, found.answer)).toBeUndefined();
  expect(disputesOf(stage.ledger.view).open).toEqual([disputes[0]]);
});

test('auditors take turns, and who finds it answered by then says nothing', async () => {
  const stage = await Stage.open();
  expect(await stage.audit()).toBeDefined();
  const [index] = stage.positions('n1') as [number];
  stage.ledger.write((state) => putDisputes(state, { open: [disputeOf(stage, index)], owed: [] }));
  const chain = { load: async (keys: readonly { readonly text: string }[]) => keys.map(stateOf(stage)) };
  const actions: Action[] = [];
  const parts: number[] = [];
  for (const name of stage.world.names) {
    const { signer, audit } = stage.of(name);
    const submit = async (action: Action): Promise<void> => {
      actions.push(action);
      stage.ledger.write((state) => putDisputes(state, { open: [], owed: [] }));
    };
    const ports = { chain, hashes: PORTABLE_HASHES, signer, submit, logger: quietLogger };
    await defend(ports, [audit], async (part) => void parts.push(part));
  }
  expect(actions.map(({ kind }) => kind)).toEqual(['answer-dispute']);
  expect(parts.length).toBe(1);
  expect(parts[0]).toBeLessThan(stage.world.names.length);
});

test('what it has not seen, or is of a round that it did not audit, it leaves to others', async () => {
  const stage = await Stage.open();
  stage.of('n1').network.faults.isDead = true;
  await stage.world.ask(['n0']);
  const { audit } = stage.of('n0');
  const [missing] = stage.positions('n1');
  const [seen] = stage.positions('n2');
  const dispute = disputeOf(stage, seen!);
  expect(answerTo(dispute, [audit], PORTABLE_HASHES)).toBeDefined();
  expect(answerTo(disputeOf(stage, missing!), [audit], PORTABLE_HASHES)).toBeUndefined();
  expect(answerTo({ ...dispute, round: dispute.round + 1 }, [audit], PORTABLE_HASHES)).toBeUndefined();
  expect(answerTo({ ...dispute, group: 1 }, [audit], PORTABLE_HASHES)).toBeUndefined();
  expect(answerTo({ ...dispute, index: audit.lines.length }, [audit], PORTABLE_HASHES)).toBeUndefined();
  const other = audit.lines.find(({ node }) => !equal(node, dispute.node))!;
  expect(answerTo({ ...dispute, asked: other.asked }, [audit], PORTABLE_HASHES)).toBeUndefined();
});

const stateOf =
  ({ ledger }: Stage) =>
  ({ text }: { readonly text: string }): Uint8Array | null =>
    ledger.state.records.get(text)?.record ?? null;
