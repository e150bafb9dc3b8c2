import { expect, test } from 'vitest';
import { encode } from '../../../src/base/codec.ts';
import type { Epoch, NetworkId, NodeId } from '../../../src/base/ids.ts';
import { ChainApplication } from '../../../src/node/chain/application.ts';
import { BlockBudget } from '../../../src/node/chain/block-budget.ts';
import type { Chain } from '../../../src/node/chain/chain.ts';
import { EvidencePool } from '../../../src/node/chain/evidence-pool.ts';
import { Pace } from '../../../src/node/chain/pace.ts';
import type { BlockId } from '../../../src/consensus/types.ts';
import { validatorSet } from '../../../src/consensus/validator-set.ts';
import { encodeHeader } from '../../../src/shards/header.ts';
import { digestFrom } from '../../helpers/records.ts';

/** Bytes that claim to be a block of this time. */
function blockOf(timeMs: number): Uint8Array {
  const any = digestFrom('any');
  const header = encodeHeader({
    network: digestFrom<NetworkId>('network'),
    height: 5,
    epoch: 0 as Epoch,
    timeMs,
    parent: any,
    lastCommit: any,
    validators: any,
    nextValidators: any,
    shardBits: 0,
    stateRoot: any,
    shardsRoot: any,
    transactionsRoot: any,
    receiptsRoot: any,
    evidenceRoot: any,
    body: any,
    proposer: digestFrom<NodeId>('proposer'),
    reveal: null,
  });
  return encode([header, new Uint8Array(0)]);
}

/** An application at height 5 whose clock the test moves. */
function waiting(given?: Chain, pace?: Pace) {
  const state = { nowMs: 1_000_000, height: 5, isOver: false, judged: 0 };
  let timers: (() => void)[] = [];
  const clock = {
    now: () => state.nowMs,
    monotonic: () => state.nowMs,
    timer: (_delayMs: number, run: () => void) => {
      timers.push(run);
      return () => undefined;
    },
  };
  const chain = {
    budget: new BlockBudget(),
    get next() {
      return { height: state.height };
    },
    get isOver() {
      return state.isOver;
    },
    judge: async () => {
      state.judged++;
      return true;
    },
  } as unknown as Chain;
  const application = new ChainApplication({
    chain: given ?? chain,
    clock,
    self: digestFrom<NodeId>('self'),
    pace: pace ?? new Pace(clock, 1_000),
    evidence: new EvidencePool(),
    candidates: () => [],
    reveal: () => undefined,
    hasWork: () => false,
    failed: (error) => {
      throw error;
    },
  });
  const fire = (): number => {
    const due = timers;
    timers = [];
    for (const run of due) run();
    return timers.length;
  };
  return { state, application, fire };
}

const ID = 'aa' as BlockId;
const END_OF_TIME = 2 ** 50;

test('a block from the future is judged when its time has come, and not before', async () => {
  const { state, application, fire } = waiting();
  const verdict = new Promise((resolve) => application.judge(5, ID, blockOf(1_010_000), resolve));
  expect(fire()).toBe(1);
  expect(state.judged).toBe(0);
  state.nowMs = 1_010_000;
  expect(fire()).toBe(0);
  expect(await verdict).toBe(true);
  expect(state.judged).toBe(1);
});

test('a block of the end of time is let go when its height is over', () => {
  const { state, application, fire } = waiting();
  application.judge(5, ID, blockOf(END_OF_TIME), () => undefined);
  expect(fire()).toBe(1);
  state.height = 6;
  expect(fire()).toBe(0);
  expect(state.judged).toBe(0);
});

test('and when the chain is', () => {
  const { state, application, fire } = waiting();
  application.judge(5, ID, blockOf(END_OF_TIME), () => undefined);
  state.isOver = true;
  expect(fire()).toBe(0);
  expect(state.judged).toBe(0);
});

test('a proposal begins its height when it comes from the validator whose turn it is, and from nobody else', () => {
  const nodes = [0, 1, 2, 3].map((index) => digestFrom<NodeId>(`validator ${index}`));
  const validators = validatorSet(nodes.map((node) => ({ node, power: 1n })));
  const roles = { validators, proposers: { firstHeight: 1, slots: [0, 1, 2, 3] } };
  const chain = {
    next: { height: 6, roles },
    rolesAt: (height: number) => (height <= 7 ? roles : undefined),
  } as unknown as Chain;
  const pace = new Pace({ timer: () => () => undefined }, 1_000);
  const { application } = waiting(chain, pace);
  const begun: number[] = [];
  const proposal = (height: number, slot: number): void =>
    application.heard(validators.validators[slot]!.node, { kind: 'proposal', height });
  pace.await(6, validators, false, () => begun.push(6));
  proposal(6, 0);
  proposal(5, 0);
  proposal(9, 0);
  application.heard(validators.validators[0]!.node, { kind: 'prevote', height: 6 });
  expect(begun).toEqual([]);
  pace.await(6, validatorSet(nodes.map((node) => ({ node, power: 1n }))), false, () => begun.push(6));
  proposal(6, 1);
  expect(begun).toEqual([6]);
});
