// The rules one by one. Numbers are those of the rules in `round.ts`; L.. are lines of algorithm 1 in arXiv 1807.04938.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  applyRound,
  type RoundInput,
  type RoundOutput,
  type RoundState,
  type Step,
  UNSTARTED,
} from '../../src/consensus/round.ts';
import { type BlockId, NO_ROUND, type TimeoutKind } from '../../src/consensus/types.ts';
import { A, B, C, nameOf } from '../helpers/agreement.ts';

const R = 2;
type InRound = (round: number) => boolean;
const never: InRound = () => false;
const always: InRound = () => true;

/** In round 2, unlocked, with nothing seen. */
const at = (step: Step, changes: Partial<RoundState> = {}): RoundState => ({
  ...UNSTARTED,
  round: R,
  step,
  ...changes,
});

/** Locked on A in round 0, and A would be proposed again. */
const LOCKED: Partial<RoundState> = { lockedRound: 0, lockedBlock: A, validRound: 0, validBlock: A };

const fresh = (blockId: BlockId, isValid = true, round = R): RoundInput => ({
  kind: 'fresh-proposal',
  round,
  blockId,
  isValid,
});
const again = (blockId: BlockId, validRound: number, isValid = true, round = R): RoundInput => ({
  kind: 're-proposal',
  round,
  blockId,
  validRound,
  isValid,
});
const polka = (blockId: BlockId, round = R, validRound = NO_ROUND): RoundInput => ({
  kind: 'polka',
  round,
  blockId,
  validRound,
});
const earlier = (blockId: BlockId, round: number): RoundInput => ({ kind: 'earlier-polka', round, blockId });
const commit = (blockId: BlockId, round: number, isValid = true): RoundInput => ({
  kind: 'commit',
  round,
  blockId,
  isValid,
});
const timeout = (kind: Exclude<TimeoutKind, 'rebroadcast'>, round = R): RoundInput => ({
  kind: 'timeout',
  timeout: kind,
  round,
});

function sayOutput(output: RoundOutput): string {
  switch (output.kind) {
    case 'enter-round':
    case 'request-value':
      return `${output.kind} ${output.round}`;
    case 'propose':
    case 'prevote':
    case 'lock':
      return `${output.kind} ${output.round} ${nameOf(output.blockId)} ${output.validRound}`;
    case 'precommit':
    case 'await-block':
    case 'decide':
      return `${output.kind} ${output.round} ${nameOf(output.blockId)}`;
    case 'schedule':
      return `schedule ${output.timeout} ${output.round}`;
  }
}

function run(state: RoundState, input: RoundInput, isProposer = never) {
  const { state: next, outputs } = applyRound(state, input, isProposer);
  return { state: next, outputs: outputs.map(sayOutput) };
}

const outputsOf = (state: RoundState, input: RoundInput, isProposer = never): string[] =>
  run(state, input, isProposer).outputs;

function expectStay(state: RoundState, input: RoundInput, isProposer = never): void {
  const { state: next, outputs } = applyRound(state, input, isProposer);
  expect(next).toBe(state);
  expect(outputs).toEqual([]);
}

// ---- The table: every step, every kind of input --------------------------------------------------------------------

type InputName =
  | 'start'
  | 'value'
  | 'commit, valid'
  | 'commit, block missing'
  | 'skip ahead'
  | 'skip to the same round'
  | 'polka'
  | 'earlier polka'
  | 'nil polka'
  | 're-proposal'
  | 'fresh proposal'
  | 'prevote any'
  | 'precommit any'
  | 'timeout propose'
  | 'timeout prevote'
  | 'timeout precommit';

const INPUTS: Readonly<Record<InputName, RoundInput>> = {
  start: { kind: 'start', round: 0 },
  value: { kind: 'value', round: R, blockId: B },
  'commit, valid': commit(B, 1),
  'commit, block missing': commit(B, 1, false),
  'skip ahead': { kind: 'skip', round: 4 },
  'skip to the same round': { kind: 'skip', round: R },
  polka: polka(B),
  'earlier polka': earlier(B, 1),
  'nil polka': { kind: 'nil-polka', round: R },
  're-proposal': again(B, 1),
  'fresh proposal': fresh(B),
  'prevote any': { kind: 'prevote-any', round: R },
  'precommit any': { kind: 'precommit-any', round: R },
  'timeout propose': timeout('propose'),
  'timeout prevote': timeout('prevote'),
  'timeout precommit': timeout('precommit'),
};

/** `stay`: the same object, no outputs. Otherwise the next step, then the outputs. The validator is no proposer. */
const STAY = 'stay';
const NOTHING: Readonly<Record<InputName, string>> = Object.fromEntries(
  Object.keys(INPUTS).map((name) => [name, STAY]),
) as Record<InputName, string>;
const DECIDE = 'decided: decide 1 B';
const AWAIT = 'awaiting: await-block 1 B';
const SKIP = 'propose: enter-round 4, schedule propose 4';
const NEXT = 'propose: enter-round 3, schedule propose 3';

const TABLE: Readonly<Record<Step, Readonly<Record<InputName, string>>>> = {
  unstarted: {
    ...NOTHING,
    start: 'propose: enter-round 0, schedule propose 0',
    'commit, valid': DECIDE,
    'commit, block missing': AWAIT,
  },
  propose: {
    start: STAY,
    value: STAY,
    'commit, valid': DECIDE,
    'commit, block missing': AWAIT,
    'skip ahead': SKIP,
    'skip to the same round': STAY,
    polka: STAY,
    'earlier polka': 'propose:',
    'nil polka': STAY,
    're-proposal': 'prevote: prevote 2 B 1',
    'fresh proposal': 'prevote: prevote 2 B -1',
    'prevote any': STAY,
    'precommit any': 'propose: schedule precommit 2',
    'timeout propose': 'prevote: prevote 2 nil -1',
    'timeout prevote': STAY,
    'timeout precommit': NEXT,
  },
  prevote: {
    start: STAY,
    value: STAY,
    'commit, valid': DECIDE,
    'commit, block missing': AWAIT,
    'skip ahead': SKIP,
    'skip to the same round': STAY,
    polka: 'precommit: lock 2 B -1, precommit 2 B',
    'earlier polka': 'prevote:',
    'nil polka': 'precommit: precommit 2 nil',
    're-proposal': STAY,
    'fresh proposal': STAY,
    'prevote any': 'prevote: schedule prevote 2',
    'precommit any': 'prevote: schedule precommit 2',
    'timeout propose': STAY,
    'timeout prevote': 'precommit: precommit 2 nil',
    'timeout precommit': NEXT,
  },
  precommit: {
    start: STAY,
    value: STAY,
    'commit, valid': DECIDE,
    'commit, block missing': AWAIT,
    'skip ahead': SKIP,
    'skip to the same round': STAY,
    polka: 'precommit:',
    'earlier polka': 'precommit:',
    'nil polka': STAY,
    're-proposal': STAY,
    'fresh proposal': STAY,
    'prevote any': STAY,
    'precommit any': 'precommit: schedule precommit 2',
    'timeout propose': STAY,
    'timeout prevote': STAY,
    'timeout precommit': NEXT,
  },
  awaiting: { ...NOTHING, 'commit, valid': DECIDE },
  decided: NOTHING,
};

describe('the table of steps and inputs', () => {
  for (const [step, row] of Object.entries(TABLE) as [Step, Record<InputName, string>][]) {
    for (const [name, expected] of Object.entries(row) as [InputName, string][]) {
      test(`${step}, ${name}: ${expected}`, () => {
        const before = at(step);
        const { state, outputs } = run(before, INPUTS[name]);
        const isSame = state === before;
        expect(isSame ? STAY : `${state.step}: ${outputs.join(', ')}`.trim()).toBe(expected);
        if (isSame) expect(outputs).toEqual([]);
      });
    }
  }

  test('names every kind of input that there is', () => {
    const kinds: Record<RoundInput['kind'], true> = {
      start: true,
      value: true,
      commit: true,
      skip: true,
      polka: true,
      'earlier-polka': true,
      'nil-polka': true,
      're-proposal': true,
      'fresh-proposal': true,
      'prevote-any': true,
      'precommit-any': true,
      timeout: true,
    };
    const named = new Set(Object.values(INPUTS).map((input) => input.kind));
    expect([...named].sort()).toEqual(Object.keys(kinds).sort());
  });
});

// ---- Rule by rule ----------------------------------------------------------------------------------------------------

describe('StartRound (L11-L21)', () => {
  test('L10: the height starts in round 0, in step propose', () => {
    const { state } = run(UNSTARTED, { kind: 'start', round: 0 });
    expect(state).toEqual({ ...UNSTARTED, step: 'propose' });
  });

  test('L14, L18: a proposer without a valid block asks the application for one', () => {
    const { state, outputs } = run(UNSTARTED, { kind: 'start', round: 0 }, always);
    expect(outputs).toEqual(['enter-round 0', 'request-value 0', 'schedule propose 0']);
    expect(state.hasProposed).toBe(false);
  });

  test('L15, L16: a proposer with a valid block proposes it again with its round', () => {
    const locked = at('precommit', LOCKED);
    const { state, outputs } = run(locked, timeout('precommit'), always);
    expect(outputs).toEqual(['enter-round 3', 'propose 3 A 0', 'schedule propose 3']);
    expect(state.hasProposed).toBe(true);
  });

  test('L20, L21: the propose time-out is scheduled by everybody, the proposer as well', () => {
    for (const isProposer of [never, always]) {
      expect(outputsOf(UNSTARTED, { kind: 'start', round: 0 }, isProposer)).toContain('schedule propose 0');
    }
  });

  test('asks who proposes in the round that is entered, not in the one that is left', () => {
    const proposesIn = (round: number) => (other: number) => other === round;
    expect(outputsOf(at('precommit'), timeout('precommit'), proposesIn(3))).toContain('request-value 3');
    expect(outputsOf(at('precommit'), timeout('precommit'), proposesIn(2))).not.toContain('request-value 3');
    expect(outputsOf(at('prevote'), { kind: 'skip', round: 7 }, proposesIn(7))).toContain('request-value 7');
  });

  test('forgets the marks of the old round and keeps lock and valid block', () => {
    const before = at('precommit', {
      ...LOCKED,
      hasSeenPolka: true,
      isPrevoteTimed: true,
      isPrecommitTimed: true,
      hasProposed: true,
    });
    expect(run(before, timeout('precommit')).state).toEqual({
      ...UNSTARTED,
      ...LOCKED,
      round: 3,
      step: 'propose',
    });
  });
});

describe('the proposal (L17-L19)', () => {
  const value: RoundInput = { kind: 'value', round: R, blockId: B };

  test('the application’s block is proposed fresh', () => {
    expect(outputsOf(at('propose'), value, always)).toEqual(['propose 2 B -1']);
  });

  test('a polka that was learned while the application worked comes first', () => {
    const before = at('propose', { validRound: 1, validBlock: A });
    expect(outputsOf(before, value, always)).toEqual(['propose 2 A 1']);
  });

  test('is made at most once a round', () => {
    expectStay(at('propose', { hasProposed: true }), value, always);
  });

  test('is not made by who is not the proposer, nor too late, nor for another round', () => {
    expectStay(at('propose'), value, never);
    expectStay(at('prevote'), value, always);
    expectStay(at('precommit'), value, always);
    expectStay(at('propose'), { ...value, round: 1 } as RoundInput, always);
    expectStay(at('propose'), { ...value, round: 3 } as RoundInput, always);
  });
});

describe('rule 1 (L49): decide', () => {
  test('in whatever step and round, on a quorum of whatever round', () => {
    for (const step of ['unstarted', 'propose', 'prevote', 'precommit'] as const) {
      for (const round of [0, R, 9]) {
        const { state, outputs } = run(at(step, LOCKED), commit(B, round));
        expect(outputs).toEqual([`decide ${round} B`]);
        expect(state).toEqual(at('decided', { ...LOCKED, committedRound: round, committedBlock: B }));
      }
    }
  });

  test('without the block voting stops, and the decision falls when it comes', () => {
    const waiting = run(at('prevote'), commit(B, 1, false));
    expect(waiting.outputs).toEqual(['await-block 1 B']);
    expectStay(waiting.state, commit(B, 1, false));
    expect(run(waiting.state, commit(B, 1)).outputs).toEqual(['decide 1 B']);
  });

  test('happens once', () => {
    const { state } = run(at('prevote'), commit(B, 1));
    for (const input of [commit(B, 1), commit(A, 0), commit(A, 0, false)]) expectStay(state, input);
  });
});

describe('rule 2 (L55): skip', () => {
  test('to a later round only, from every step of voting, with the lock kept', () => {
    for (const step of ['propose', 'prevote', 'precommit'] as const) {
      expect(run(at(step, LOCKED), { kind: 'skip', round: 3 }).state).toEqual(
        at('propose', { ...LOCKED, round: 3 }),
      );
      expectStay(at(step), { kind: 'skip', round: R });
      expectStay(at(step), { kind: 'skip', round: 1 });
    }
  });

  test('casts no vote', () => {
    expect(outputsOf(at('prevote'), { kind: 'skip', round: 5 })).toEqual([
      'enter-round 5',
      'schedule propose 5',
    ]);
  });
});

describe('rule 3 (L36): polka of the current round', () => {
  test('L37-L43: in step prevote it locks, sets the valid block, and precommits', () => {
    const { state, outputs } = run(at('prevote'), polka(B, R, 1));
    expect(outputs).toEqual(['lock 2 B 1', 'precommit 2 B']);
    expect(state).toEqual(
      at('precommit', { lockedRound: R, lockedBlock: B, validRound: R, validBlock: B, hasSeenPolka: true }),
    );
  });

  test('a lock on another block yields to it', () => {
    expect(run(at('prevote', LOCKED), polka(B)).state).toMatchObject({ lockedRound: R, lockedBlock: B });
  });

  test('L42, L43: in step precommit it sets the valid block and never the lock', () => {
    const { state, outputs } = run(at('precommit', LOCKED), polka(B));
    expect(outputs).toEqual([]);
    expect(state).toEqual(at('precommit', { ...LOCKED, validRound: R, validBlock: B, hasSeenPolka: true }));
  });

  test('step >= prevote: in step propose it waits', () => {
    expectStay(at('propose'), polka(B));
  });

  test('for the first time: a second one of the round changes nothing, even for another block', () => {
    const { state } = run(at('prevote'), polka(B));
    expectStay(state, polka(B));
    expectStay(state, polka(C));
  });

  test('of another round it is not this rule', () => {
    expectStay(at('prevote'), polka(B, 1));
    expectStay(at('prevote'), polka(B, 3));
  });
});

describe('rule 3b (not in the paper): polka of an earlier round', () => {
  test('sets what would be proposed, in every step, and nothing else', () => {
    for (const step of ['propose', 'prevote', 'precommit'] as const) {
      const { state, outputs } = run(at(step, LOCKED), earlier(B, 1));
      expect(outputs).toEqual([]);
      expect(state).toEqual(at(step, { ...LOCKED, validRound: 1, validBlock: B }));
    }
  });

  test('only if it is later than the one that is known, and over', () => {
    const before = at('prevote', { validRound: 1, validBlock: A });
    for (const round of [0, 1, 2, 3]) expectStay(before, earlier(B, round));
  });
});

describe('rule 4 (L44): nil polka', () => {
  test('in step prevote: precommit nil; the lock is never released by nil', () => {
    const { state, outputs } = run(at('prevote', LOCKED), { kind: 'nil-polka', round: R });
    expect(outputs).toEqual(['precommit 2 nil']);
    expect(state).toEqual(at('precommit', LOCKED));
  });

  test('of another round, or in another step, it is nothing', () => {
    expectStay(at('propose'), { kind: 'nil-polka', round: R });
    expectStay(at('precommit'), { kind: 'nil-polka', round: R });
    expectStay(at('prevote'), { kind: 'nil-polka', round: 1 });
  });
});

describe('rule 5 (L28): re-proposal', () => {
  test('L29: valid and lockedRound <= validRound: prevote it, with its validRound', () => {
    const cases: [Partial<RoundState>, number][] = [
      [{}, 0],
      [LOCKED, 0],
      [LOCKED, 1],
    ];
    for (const [lock, validRound] of cases) {
      expect(outputsOf(at('propose', lock), again(B, validRound))).toEqual([`prevote 2 B ${validRound}`]);
    }
  });

  test('a lock later than validRound: prevote nil, the lock stays', () => {
    const locked = at('propose', { ...LOCKED, lockedRound: 1, validRound: 1 });
    const { state, outputs } = run(locked, again(B, 0));
    expect(outputs).toEqual(['prevote 2 nil -1']);
    expect(state).toEqual({ ...locked, step: 'prevote' });
  });

  test('strict: "or lockedValue = v" is absent, one’s own locked block on an older polka gets nil', () => {
    const locked = at('propose', { lockedRound: 1, lockedBlock: A, validRound: 1, validBlock: A });
    expect(outputsOf(locked, again(A, 0))).toEqual(['prevote 2 nil -1']);
    expect(outputsOf(locked, again(A, 1))).toEqual(['prevote 2 A 1']);
  });

  test('an invalid block gets nil', () => {
    expect(outputsOf(at('propose'), again(B, 1, false))).toEqual(['prevote 2 nil -1']);
  });

  test('in step propose and in its round only', () => {
    expectStay(at('prevote'), again(B, 1));
    expectStay(at('precommit'), again(B, 1));
    expectStay(at('propose'), again(B, 0, true, 1));
    expectStay(at('propose'), again(B, 1, true, 3));
  });
});

describe('rule 6 (L22): fresh proposal', () => {
  test('L23, L24: valid and unlocked: prevote it', () => {
    expect(outputsOf(at('propose'), fresh(B))).toEqual(['prevote 2 B -1']);
  });

  test('a valid block from a polka is no lock', () => {
    expect(outputsOf(at('propose', { validRound: 1, validBlock: A }), fresh(B))).toEqual(['prevote 2 B -1']);
  });

  test('L26: locked: prevote nil', () => {
    expect(outputsOf(at('propose', LOCKED), fresh(B))).toEqual(['prevote 2 nil -1']);
  });

  test('strict: "or lockedValue = v" is absent, one’s own locked block proposed as fresh gets nil', () => {
    expect(outputsOf(at('propose', LOCKED), fresh(A))).toEqual(['prevote 2 nil -1']);
  });

  test('an invalid block gets nil', () => {
    expect(outputsOf(at('propose'), fresh(B, false))).toEqual(['prevote 2 nil -1']);
  });

  test('in step propose and in its round only: a second proposal is not answered', () => {
    const { state } = run(at('propose'), fresh(A));
    expectStay(state, fresh(B));
    expectStay(at('precommit'), fresh(B));
    expectStay(at('propose'), fresh(B, true, 1));
    expectStay(at('propose'), fresh(B, true, 3));
  });
});

describe('rule 7 (L34): prevotes of a quorum for whatever', () => {
  test('schedule the prevote time-out once, in step prevote', () => {
    const { state, outputs } = run(at('prevote'), { kind: 'prevote-any', round: R });
    expect(outputs).toEqual(['schedule prevote 2']);
    expect(state).toEqual(at('prevote', { isPrevoteTimed: true }));
    expectStay(state, { kind: 'prevote-any', round: R });
  });

  test('do nothing in another step or round', () => {
    expectStay(at('propose'), { kind: 'prevote-any', round: R });
    expectStay(at('precommit'), { kind: 'prevote-any', round: R });
    expectStay(at('prevote'), { kind: 'prevote-any', round: 1 });
  });
});

describe('rule 8 (L47): precommits of a quorum for whatever', () => {
  test('schedule the precommit time-out once, in any step, and never more than that', () => {
    for (const step of ['propose', 'prevote', 'precommit'] as const) {
      const { state, outputs } = run(at(step, LOCKED), { kind: 'precommit-any', round: R });
      expect(outputs).toEqual(['schedule precommit 2']);
      expect(state).toEqual(at(step, { ...LOCKED, isPrecommitTimed: true }));
      expectStay(state, { kind: 'precommit-any', round: R });
    }
  });

  test('do nothing of another round', () => {
    expectStay(at('precommit'), { kind: 'precommit-any', round: 1 });
  });
});

describe('rule 9: time-outs', () => {
  test('L57: propose: prevote nil, in step propose only; the lock stays', () => {
    const { state, outputs } = run(at('propose', LOCKED), timeout('propose'));
    expect(outputs).toEqual(['prevote 2 nil -1']);
    expect(state).toEqual(at('prevote', LOCKED));
  });

  test('L61: prevote: precommit nil, in step prevote only; the lock stays', () => {
    const { state, outputs } = run(at('prevote', LOCKED), timeout('prevote'));
    expect(outputs).toEqual(['precommit 2 nil']);
    expect(state).toEqual(at('precommit', LOCKED));
  });

  test('L65: precommit: the next round, from any step', () => {
    for (const step of ['propose', 'prevote', 'precommit'] as const) {
      expect(run(at(step, LOCKED), timeout('precommit')).state).toEqual(
        at('propose', { ...LOCKED, round: 3 }),
      );
    }
  });

  test('of another round they are stale', () => {
    for (const kind of ['propose', 'prevote', 'precommit'] as const) {
      for (const round of [0, 1, 3]) {
        for (const step of ['propose', 'prevote', 'precommit'] as const)
          expectStay(at(step), timeout(kind, round));
      }
    }
  });
});

// ---- Whatever comes ---------------------------------------------------------------------------------------------------

const round = fc.integer({ min: 0, max: 4 });
const blockId = fc.constantFrom(A, B, C);
const anyInput: fc.Arbitrary<RoundInput> = fc.oneof(
  fc.record({ kind: fc.constant('start' as const), round: fc.constant(0) }),
  fc.record({ kind: fc.constant('value' as const), round, blockId }),
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('commit' as const), round, blockId, isValid: fc.boolean() }),
  },
  fc.record({ kind: fc.constant('skip' as const), round }),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('polka' as const),
      round,
      blockId,
      validRound: fc.constant(NO_ROUND),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('earlier-polka' as const), round, blockId }) },
  fc.record({ kind: fc.constant('nil-polka' as const), round }),
  {
    weight: 4,
    arbitrary: fc
      .record({
        kind: fc.constant('re-proposal' as const),
        round,
        blockId,
        validRound: round,
        isValid: fc.boolean(),
      })
      .filter((input) => input.validRound < input.round),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('fresh-proposal' as const),
      round,
      blockId,
      isValid: fc.boolean(),
    }),
  },
  fc.record({ kind: fc.constantFrom('prevote-any' as const, 'precommit-any' as const), round }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('timeout' as const),
      timeout: fc.constantFrom('propose' as const, 'prevote' as const, 'precommit' as const),
      round,
    }),
  },
);
const anyHistory = fc
  .tuple(fc.array(anyInput, { maxLength: 60 }), fc.subarray([0, 1, 2, 3, 4, 5]))
  .map(([inputs, mine]) => ({
    inputs: [{ kind: 'start', round: 0 } as const, ...inputs],
    mine: new Set(mine),
  }));

/** Calls `look` at every transition of every history. */
function overHistories(
  look: (before: RoundState, input: RoundInput, after: RoundState, outputs: readonly RoundOutput[]) => void,
  finish: (outputs: readonly RoundOutput[], mine: ReadonlySet<number>) => void = () => undefined,
): void {
  fc.assert(
    fc.property(anyHistory, ({ inputs, mine }) => {
      let state = UNSTARTED;
      const all: RoundOutput[] = [];
      for (const input of inputs) {
        const { state: next, outputs } = applyRound(state, input, (one) => mine.has(one));
        look(state, input, next, outputs);
        all.push(...outputs);
        state = next;
      }
      finish(all, mine);
    }),
    { numRuns: 2000 },
  );
}

describe('over every sequence of inputs', () => {
  test('validRound >= lockedRound, both at most the round, and a round has a block', () => {
    overHistories((_before, _input, { round: current, lockedRound, lockedBlock, validRound, validBlock }) => {
      expect(validRound).toBeGreaterThanOrEqual(lockedRound);
      expect(validRound).toBeLessThanOrEqual(current);
      expect(lockedRound === NO_ROUND).toBe(lockedBlock === null);
      expect(validRound === NO_ROUND).toBe(validBlock === null);
    });
  });

  test('round, lockedRound and validRound never fall; a lock changes only with its round', () => {
    overHistories((before, _input, after) => {
      expect(after.round).toBeGreaterThanOrEqual(before.round);
      expect(after.lockedRound).toBeGreaterThanOrEqual(before.lockedRound);
      expect(after.validRound).toBeGreaterThanOrEqual(before.validRound);
      if (after.lockedRound === before.lockedRound) expect(after.lockedBlock).toBe(before.lockedBlock);
      if (after.validRound === before.validRound) expect(after.validBlock).toBe(before.validBlock);
    });
  });

  test('at most one proposal, prevote, precommit and time-out of each kind a round, and proposals by the proposer', () => {
    overHistories(
      () => undefined,
      (outputs, mine) => {
        const keys = outputs
          .filter((output) => output.kind !== 'lock')
          .map(
            (output) => `${output.kind} ${output.kind === 'schedule' ? output.timeout : ''} ${output.round}`,
          )
          .filter((key) => !/^(decide|await)/.test(key));
        expect(new Set(keys).size).toBe(keys.length);
        for (const output of outputs)
          if (output.kind === 'propose') expect(mine.has(output.round)).toBe(true);
        expect(outputs.filter((output) => output.kind === 'decide').length).toBeLessThanOrEqual(1);
      },
    );
  });

  test('messages leave in the order (round, proposal < prevote < precommit), so a guard that only goes up lets them pass', () => {
    const ranks: Partial<Record<RoundOutput['kind'], number>> = { propose: 0, prevote: 1, precommit: 2 };
    overHistories(
      () => undefined,
      (outputs) => {
        const places = outputs
          .filter((output) => output.kind in ranks)
          .map((output) => output.round * 3 + ranks[output.kind]!);
        expect(places).toEqual(places.toSorted((a, b) => a - b));
      },
    );
  });

  test('nothing but a commit moves awaiting, and nothing at all moves decided', () => {
    overHistories((before, input, after, outputs) => {
      const isDeaf =
        before.step === 'decided' ||
        (before.step === 'awaiting' && !(input.kind === 'commit' && input.isValid)) ||
        (before.step === 'unstarted' && input.kind !== 'start' && input.kind !== 'commit');
      if (isDeaf) {
        expect(after).toBe(before);
        expect(outputs).toEqual([]);
      }
    });
  });

  test('an input that no rule applies to leaves the very same object; one that acts changes something', () => {
    overHistories((before, _input, after, outputs) => {
      if (after === before) expect(outputs).toEqual([]);
      else expect(after).not.toEqual(before);
    });
  });

  test('no input acts twice in a row', () => {
    fc.assert(
      fc.property(anyHistory, ({ inputs, mine }) => {
        let state = UNSTARTED;
        const isProposer = (one: number): boolean => mine.has(one);
        for (const input of inputs) {
          state = applyRound(state, input, isProposer).state;
          expect(applyRound(state, input, isProposer).state).toBe(state);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('own messages never look like amnesia: precommit of v in r1, then prevote of another in r2 > r1 on a polka before r1', () => {
    overHistories(
      () => undefined,
      (outputs) => {
        for (const early of outputs) {
          if (early.kind !== 'precommit' || early.blockId === null) continue;
          for (const late of outputs) {
            if (late.kind !== 'prevote' || late.blockId === null || late.round <= early.round) continue;
            // Stronger than evidence needs: even the same block is prevoted on a polka at least as late only.
            expect(late.validRound).toBeGreaterThanOrEqual(early.round);
          }
        }
      },
    );
  });

  test('a precommit for a block comes with its lock, and never another way', () => {
    overHistories((_before, _input, after, outputs) => {
      const locks = outputs.filter((output) => output.kind === 'lock');
      const precommits = outputs.filter((output) => output.kind === 'precommit' && output.blockId !== null);
      expect(locks.map(({ blockId: locked }) => locked)).toEqual(
        precommits.map((output) => 'blockId' in output && output.blockId),
      );
      if (locks.length > 0)
        expect([after.lockedRound, after.lockedBlock]).toEqual([locks[0]!.round, locks[0]!.blockId]);
    });
  });
});
