// The engine: heights, the order of effects, what is owed to others (L1-L7), and what a crash leaves. `EngineHost` performs the
// effects and stops at an order that a crash could turn into a contradiction, so every test here tests that too.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EARLY_MESSAGES_PER_VALIDATOR } from '../../src/base/limits.ts';
import { enabled, verdictOn } from '../../src/consensus/driver.ts';
import { resume, step } from '../../src/consensus/engine.ts';
import { type EngineState, INITIAL } from '../../src/consensus/engine-state.ts';
import { guiltyOf } from '../../src/consensus/evidence.ts';
import type { BlockId, Effect, Input, Message, TimeoutKind } from '../../src/consensus/types.ts';
import { votesFor } from '../../src/consensus/vote-keeper.ts';
import {
  A,
  B,
  C,
  commit,
  heightStart,
  polka,
  precommit,
  prevote,
  proposal,
  proposersFrom,
  roundReason,
  say,
  setOf,
} from '../helpers/agreement.ts';
import { CONFIG, EngineHost, sayEffect, type Timer } from '../helpers/agreement-host.ts';

/** Validator 0 of four equal ones, who proposes in the last of four rounds. */
const START = heightStart({ proposers: proposersFrom(1, 2, 3, 0) });

function started(changes: Parameters<typeof heightStart>[0] = {}): EngineHost {
  const host = new EngineHost();
  host.start({ ...START, ...changes });
  return host;
}

const sayAll = (effects: readonly Effect[]): string[] => effects.map(sayEffect);
const ofKind = (effects: readonly Effect[], kind: Effect['kind']): string[] =>
  sayAll(effects.filter((effect) => effect.kind === kind));
const sentSince = (host: EngineHost, count: number): string[] => host.sent.slice(count).map(say);

/** Prevotes of all for A in round 0, so that validator 0 is locked, and has precommitted. */
function locked(): EngineHost {
  const host = started();
  host.hear(proposal(1, 0, A));
  host.judge(A);
  host.hear(prevote(1, 0, A), prevote(2, 0, A));
  return host;
}

function decided(): EngineHost {
  const host = locked();
  host.hear(precommit(1, 0, A), precommit(2, 0, A));
  expect(host.decisions.length).toBe(1);
  return host;
}

// ---- Order of effects --------------------------------------------------------------------------------------------------

describe('order of effects', () => {
  test('append, persist, sign; then, with the signature, append and broadcast', () => {
    const host = started();
    expect(sayAll(host.hear(proposal(1, 0, A)))).toEqual(['append proposal 1/0 A by 1', 'validate A from 1']);
    expect(sayAll(host.judge(A))).toEqual([
      'append verdict A valid',
      'persist',
      'sign prevote 1/0 A by 0',
      'append signed prevote 1/0 A by 0',
      'broadcast prevote 1/0 A by 0',
    ]);
  });

  test('an own vote counts, and leaves, only when it is signed', () => {
    const host = new EngineHost({ signsAtOnce: false });
    host.start(START);
    host.hear(proposal(1, 0, A), prevote(1, 0, A), prevote(2, 0, A));
    host.judge(A);
    expect(host.state.driver!.round.step).toBe('prevote');
    expect(host.sent).toEqual([]);
    host.sign();
    expect(host.state.driver!.round.step).toBe('precommit');
    expect(host.sent.map(say)).toEqual(['prevote 1/0 A by 0', 'precommit 1/0 A by 0']);
  });

  test('a prevote and a precommit of one input are signed in this order', () => {
    const host = started();
    host.hear(proposal(1, 0, A), ...[1, 2, 3].map((one) => prevote(one, 0, A)));
    expect(ofKind(host.judge(A), 'sign')).toEqual(['sign prevote 1/0 A by 0', 'sign precommit 1/0 A by 0']);
  });

  test('the second is handed out when the first is back and in the log, so that a crash asks for it alone', () => {
    const host = new EngineHost({ signsAtOnce: false });
    host.start(START);
    host.hear(proposal(1, 0, A), ...[1, 2, 3].map((one) => prevote(one, 0, A)));
    host.judge(A);
    expect(host.toSign.map(say)).toEqual(['prevote 1/0 A by 0']);
    expect(sayAll(host.sign(1))).toEqual([
      'append signed prevote 1/0 A by 0',
      'broadcast prevote 1/0 A by 0',
      'persist',
      'sign precommit 1/0 A by 0',
    ]);
    expect(ofKind(host.restart(), 'sign')).toEqual(['sign precommit 1/0 A by 0']);
  });

  test('what needs no durability does not wait for it: no persist without something to say', () => {
    const host = started();
    expect(ofKind(host.hear(prevote(1, 0, A), prevote(2, 0, B), precommit(3, 0, null)), 'persist')).toEqual(
      [],
    );
  });

  test('what was never asked for is not taken as signed', () => {
    const host = started();
    const before = host.state;
    expect(host.input({ kind: 'signed', message: prevote(0, 0, A) })).toEqual([]);
    expect(host.state).toBe(before);
  });

  test('a signature that comes back after the decision is the last one', () => {
    const host = new EngineHost({ signsAtOnce: false });
    host.start(START);
    host.hear(proposal(1, 0, A), ...[1, 2, 3].map((one) => prevote(one, 0, A)));
    host.judge(A);
    host.hear(commit(0, A, [1, 2, 3]));
    expect(ofKind(host.sign(1), 'sign')).toEqual([]);
  });

  test('once a quorum has decided nothing more is signed, not even what the same input would have caused', () => {
    // The weighty vote both lets round 4 be entered, where validator 3 proposes, and completes the commit there.
    const validators = setOf(5, 1, 1, 1);
    for (const isHeld of [true, false]) {
      const host = new EngineHost({ signsAtOnce: false });
      host.start(heightStart({ validators, self: 3, proposers: proposersFrom(0, 1, 2, 0, 3) }));
      if (isHeld) host.judge(A);
      host.judge(B);
      host.hear(prevote(0, 2, null), polka(1, B, [0, 1]), precommit(1, 4, A), precommit(2, 4, A));
      expect(host.state.driver!.round).toMatchObject({ round: 2, validBlock: B });
      const effects = host.hear(precommit(0, 4, A));
      expect(host.state.driver!.round.hasProposed).toBe(true);
      expect(host.state.driver!.round.step).toBe(isHeld ? 'decided' : 'awaiting');
      expect(ofKind(effects, 'sign')).toEqual([]);
      expect(host.state.pending).toEqual([]);
    }
  });
});

// ---- Replay ---------------------------------------------------------------------------------------------------------------

/** What a height's votes depend on; messages that are only kept are not in the log. */
const essence = ({ driver, pending, own, asked }: EngineState) => ({
  driver,
  pending,
  own,
  asked,
});

type Action =
  | { readonly kind: 'hear'; readonly message: Message }
  | { readonly kind: 'judge'; readonly at: number; readonly isValid: boolean }
  | { readonly kind: 'make'; readonly blockId: BlockId }
  | { readonly kind: 'sign' }
  | { readonly kind: 'fire'; readonly at: number }
  | { readonly kind: 'stray'; readonly timeout: TimeoutKind; readonly round: number };

const round = fc.integer({ min: 0, max: 3 });
const blockId = fc.constantFrom(A, B, C);
const value = fc.constantFrom(A, A, B, null);
const validator = fc.integer({ min: 1, max: 3 });
const height = fc.constantFrom(1, 1, 1, 1, 1, 1, 1, 0, 2);
const QUORUM = [1, 2, 3];
const PROPOSERS = [1, 0, 2, 3];

/** Anything that passes the border, honest or not, and certificates that only a third of liars could make. */
const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(round, blockId, fc.boolean(), height)
      .map(([r, b, isLate, h]) => proposal(1, r, b, { validRound: isLate ? r - 1 : -1, height: h })),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(validator, round, value, height)
      .map(([v, r, b, h]) => prevote(v, r, b, { height: h })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(validator, round, blockId)
      .map(([v, r, b]) => prevote(v, r, b, { validRound: r - 1 })),
  },
  {
    weight: 5,
    arbitrary: fc
      .tuple(validator, round, value, height)
      .map(([v, r, b, h]) => precommit(v, r, b, { height: h })),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(round, blockId, height).map(([r, b, h]) => polka(r, b, QUORUM, { height: h })),
  },
  fc.tuple(round, blockId).map(([r, b]) => polka(r, b, QUORUM, { validRound: r - 1 })),
  { weight: 1, arbitrary: fc.tuple(round, blockId).map(([r, b]) => commit(r, b, QUORUM)) },
  fc
    .tuple(round, value, value)
    .map(([r, a, b]) =>
      roundReason(r + 1, 'precommit-any', [precommit(1, r, a), precommit(2, r, b), precommit(3, r, a)]),
    ),
  fc
    .tuple(round, value)
    .map(([r, a]) => roundReason(r + 1, 'skip', [precommit(1, r + 1, a), prevote(2, r + 2, null)])),
);
const anyAction: fc.Arbitrary<Action> = fc.oneof(
  { weight: 12, arbitrary: anyMessage.map((message): Action => ({ kind: 'hear', message })) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('judge' as const), at: fc.nat(2), isValid: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('make' as const), blockId }) },
  { weight: 6, arbitrary: fc.constant<Action>({ kind: 'sign' }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('fire' as const), at: fc.nat(3) }) },
  fc.record({
    kind: fc.constant('stray' as const),
    timeout: fc.constantFrom<TimeoutKind>('propose', 'prevote', 'rebroadcast'),
    round,
  }),
);

/** A proposal that is not its proposer's does not pass the border. */
function fromItsProposer(host: EngineHost, message: Message): Message {
  if (message.kind !== 'proposal') return message;
  const { proposers } = host.state.driver!.start;
  return { ...message, validator: proposers.slots[(message.height - 1 + message.round + 4) % 4]! };
}

function act(host: EngineHost, action: Action): void {
  switch (action.kind) {
    case 'hear':
      host.hear(fromItsProposer(host, action.message));
      return;
    case 'judge': {
      const wanted = host.judging[action.at % Math.max(host.judging.length, 1)];
      if (wanted !== undefined) host.judge(wanted, action.isValid && wanted !== C);
      return;
    }
    case 'make':
      if (host.values.length > 0) host.make(action.blockId);
      return;
    case 'sign':
      host.sign(1);
      return;
    case 'fire': {
      const timer = host.timers[action.at % Math.max(host.timers.length, 1)];
      if (timer !== undefined) host.input({ kind: 'timeout', ...timer });
      return;
    }
    case 'stray':
      host.input({ kind: 'timeout', timeout: action.timeout, height: 1, round: action.round });
  }
}

const runs = fc.record({
  actions: fc.array(anyAction, { maxLength: 60 }),
  self: fc.constantFrom(0, 0, 0, undefined),
  first: fc.nat(3),
});

function run(
  {
    actions,
    self,
    first,
  }: { readonly actions: readonly Action[]; readonly self: number | undefined; readonly first: number },
  look: (host: EngineHost) => void,
): EngineHost {
  const host = new EngineHost({ signsAtOnce: false });
  const slots = [...PROPOSERS.slice(first), ...PROPOSERS.slice(0, first)];
  host.start(heightStart({ self, proposers: proposersFrom(...slots) }));
  look(host);
  for (const action of actions) {
    act(host, action);
    look(host);
  }
  return host;
}

/** Timers whose time would still change something. */
function livingTimers(host: EngineHost): string[] {
  const { state, timers } = host;
  const isAlive = (timer: Timer): boolean => {
    const { state: after, effects } = step(CONFIG, state, { kind: 'timeout', ...timer });
    return after !== state || effects.length > 0;
  };
  return timers
    .filter(isAlive)
    .map(({ timeout, round: of }) => `${timeout} ${of}`)
    .sort();
}

/** Asked for, and not known in the meantime by making the very same block. */
const unjudged = ({ state, judging }: EngineHost): BlockId[] =>
  judging.filter((asked) => verdictOn(state.driver!, asked) === undefined).sort();

/** What the effects of `resume` begin anew. */
function begun(effects: readonly Effect[]) {
  const of = <K extends Effect['kind']>(kind: K) =>
    effects.filter((effect): effect is Extract<Effect, { kind: K }> => effect.kind === kind);
  return {
    toSign: of('sign').map((effect) => say(effect.message)),
    timers: of('schedule-timeout')
      .map((effect) => `${effect.timeout} ${effect.round}`)
      .sort(),
    values: of('request-value').map((effect) => effect.round),
    judging: of('validate')
      .map((effect) => effect.blockId)
      .sort(),
    decisions: of('decide').map((effect) => effect.blockId),
    halts: of('halt').map((effect) => effect.blockId),
    others: effects.filter((effect) =>
      /append|persist|broadcast|cancel|evidence|foreign|send/.test(effect.kind),
    ),
  };
}

describe('replay', () => {
  test('the appended inputs alone lead a fresh engine to the same state, at every moment of any run', () => {
    fc.assert(
      fc.property(runs, (chosen) => {
        let replayed: EngineState = INITIAL;
        let length = 0;
        run(chosen, ({ log, state }) => {
          // Step by step, so that every prefix of the log is compared with the state of its moment.
          for (; length < log.length; length++) replayed = step(CONFIG, replayed, log[length]!).state;
          if (state.driver!.round.step === 'decided')
            expect(replayed.driver!.round).toEqual(state.driver!.round);
          else expect(essence(replayed)).toEqual(essence(state));
        });
      }),
      { numRuns: 400 },
    );
  });

  test('then `resume` begins what was under way: signatures, timers, blocks to make and to judge, the decision, the halt; and no more', () => {
    fc.assert(
      fc.property(runs, (chosen) => {
        run(chosen, (host) => {
          const { state } = host;
          const { step: at, round: current, hasProposed } = state.driver!.round;
          const isOver = at === 'decided' || at === 'awaiting';
          const isValueDue = at === 'propose' && !hasProposed;
          const hasHalted = host.halts.length > 0;
          expect(begun(resume(CONFIG, state))).toEqual({
            toSign: isOver ? [] : host.toSign.map(say),
            timers: hasHalted ? [] : livingTimers(host),
            values: isValueDue
              ? host.values.filter(({ round: of }) => of === current).map(({ round: of }) => of)
              : [],
            judging: at === 'decided' || hasHalted ? [] : unjudged(host),
            decisions: host.decisions.map((decision) => decision.blockId),
            halts: host.halts.map((halt) => halt.blockId),
            others: [],
          });
        });
      }),
      { numRuns: 400 },
    );
  });

  test('a crash after any durable prefix: the key is never asked for anything that contradicts what it signed', () => {
    fc.assert(
      fc.property(runs, fc.array(fc.nat(40), { maxLength: 3 }), (chosen, crashes) => {
        let moment = 0;
        const asked = new Map<string, string>();
        run({ ...chosen, self: 0 }, (host) => {
          if (crashes.includes(moment++)) host.restart();
          for (const text of [...host.toSign.map(say), ...host.signatures]) {
            const [kind, place] = text.split(' ');
            const before = asked.get(`${kind} ${place}`);
            expect(before ?? text).toBe(text);
            asked.set(`${kind} ${place}`, text);
          }
        });
      }),
      { numRuns: 400 },
    );
  });

  test('one decision a height; no rule left enabled; the lock never falls; no evidence against oneself', () => {
    fc.assert(
      fc.property(runs, (chosen) => {
        let lockedRound = -1;
        const host = run({ ...chosen, self: 0 }, ({ state }) => {
          const { driver } = state;
          expect(enabled(driver!)).toBeUndefined();
          expect(driver!.round.lockedRound).toBeGreaterThanOrEqual(lockedRound);
          lockedRound = driver!.round.lockedRound;
        });
        expect(host.decisions.length).toBeLessThanOrEqual(1);
        for (const one of host.evidence) {
          if (one.kind === 'amnesia') expect(one.prevote.validator).not.toBe(0);
          if (one.kind === 'double-vote' || one.kind === 'double-proposal')
            expect(one.first.validator).not.toBe(0);
        }
      }),
      { numRuns: 400 },
    );
  });

  test('nothing was logged: nothing is under way', () => {
    expect(resume(CONFIG, INITIAL)).toEqual([]);
    expect(step(CONFIG, INITIAL, { kind: 'message', message: prevote(1, 0, A) }).state).toBe(INITIAL);
  });

  test('a vote that was signed, sent and lost from the log is asked for again, and known when others return it', () => {
    const host = new EngineHost({ signsAtOnce: false });
    host.start(START);
    host.hear(proposal(1, 0, A));
    host.judge(A);
    const kept = host.durable;
    host.sign();
    expect(host.sent.map(say)).toEqual(['prevote 1/0 A by 0']);
    expect(ofKind(host.restart(kept), 'sign')).toEqual(['sign prevote 1/0 A by 0']);
    expect(sayAll(host.hear(prevote(0, 0, A)))).toEqual([
      'append signed prevote 1/0 A by 0',
      'broadcast prevote 1/0 A by 0',
    ]);
    expect(host.foreign).toEqual([]);
  });
});

// ---- What is owed to others -----------------------------------------------------------------------------------------------

describe('L1: who enters a later round says why', () => {
  test('by time, with the precommits of the round before', () => {
    const host = started();
    host.hear(...[1, 2, 3].map((one) => precommit(one, 0, null)));
    expect(ofKind(host.timeOut('precommit'), 'broadcast')).toEqual([
      'broadcast reason 1/1 precommit-any: precommit 0 nil by 1, precommit 0 nil by 2, precommit 0 nil by 3',
    ]);
  });

  test('by skipping, with one vote of each that is there or beyond', () => {
    const host = started();
    host.hear(prevote(1, 2, A), precommit(1, 2, null));
    expect(ofKind(host.hear(prevote(2, 3, null)), 'broadcast')).toEqual([
      'broadcast reason 1/2 skip: precommit 2 nil by 1, prevote 3 nil by 2',
    ]);
  });

  test('and whoever hears it follows: its votes count singly', () => {
    const host = started();
    host.hear(roundReason(2, 'skip', [prevote(1, 2, A), prevote(2, 3, null)]));
    expect(host.state.driver!.round.round).toBe(2);
    const late = started();
    late.hear(
      roundReason(
        1,
        'precommit-any',
        [1, 2, 3].map((one) => precommit(one, 0, null)),
      ),
    );
    expect(late.timers.map((timer) => timer.timeout)).toContain('precommit');
  });

  test('L5: an equivocator’s vote in it spoils nothing', () => {
    const host = started();
    host.hear(precommit(1, 0, A));
    host.hear(
      roundReason(
        1,
        'precommit-any',
        [1, 2, 3].map((one) => precommit(one, 0, null)),
      ),
    );
    expect(host.evidence.map((one) => one.kind)).toEqual(['double-vote']);
    expect(host.timers.map((timer) => timer.timeout)).toContain('precommit');
  });
});

test('L2: a re-proposal comes with the polka that carried the block, in front of it', () => {
  const host = started({ proposers: proposersFrom(1, 0, 2, 3) });
  host.hear(proposal(1, 0, A));
  host.judge(A);
  host.hear(prevote(1, 0, A), prevote(2, 0, A), ...[1, 2, 3].map((one) => precommit(one, 0, null)));
  const count = host.sent.length;
  host.timeOut('precommit');
  expect(sentSince(host, count)).toEqual([
    'reason 1/1 precommit-any: precommit 0 A by 0, precommit 0 nil by 1, precommit 0 nil by 2, precommit 0 nil by 3',
    'polka 1/0 A of 0 1 2',
    'proposal 1/1 A on polka 0 by 0',
    'prevote 1/1 A on polka 0 by 0',
  ]);
});

describe('L3: who locks after round 0 passes on what it locked on', () => {
  function lockedInRoundOne(): EngineHost {
    const host = started();
    host.hear(prevote(1, 1, null), prevote(2, 1, null), proposal(2, 1, A));
    host.judge(A);
    return host;
  }

  test('the polka, then the proposal, then the precommit', () => {
    const host = lockedInRoundOne();
    const count = host.sent.length;
    host.hear(polka(1, A, [1, 2, 3]));
    expect(sentSince(host, count)).toEqual([
      'polka 1/1 A of 1 2 3',
      'proposal 1/1 A by 2',
      'precommit 1/1 A by 0',
    ]);
  });

  test('in round 0 it does not: everybody was sent the proposal', () => {
    expect(locked().sent.map(say)).toEqual(['prevote 1/0 A by 0', 'precommit 1/0 A by 0']);
  });

  test('of two proposals of the block, the one on the polka’s valid round', () => {
    const host = started();
    host.hear(polka(0, A, [1, 2, 3]), prevote(1, 1, null), prevote(2, 1, null));
    host.hear(proposal(2, 1, A), proposal(2, 1, A, { validRound: 0 }));
    host.judge(A);
    const count = host.sent.length;
    host.hear(polka(1, A, [1, 2, 3], { validRound: 0 }));
    expect(sentSince(host, count).slice(0, 2)).toEqual([
      'polka 1/1 A on polka 0 of 1 2 3',
      'proposal 1/1 A on polka 0 by 2',
    ]);
  });

  test('who keeps two other proposals of the round already keeps this one, because the polka names it', () => {
    const sender = lockedInRoundOne();
    const count = sender.sent.length;
    sender.hear(polka(1, A, [1, 2, 3]));
    const victim = started({ self: 3 });
    victim.hear(prevote(1, 1, null), prevote(2, 1, null), proposal(2, 1, B), proposal(2, 1, C));
    victim.judge(B);
    victim.hear(...sender.sent.slice(count));
    victim.judge(A);
    expect(victim.state.driver!.round).toMatchObject({ lockedRound: 1, lockedBlock: A });
  });
});

describe('L4: in a round that lasts', () => {
  test('a validator repeats its reason to be there, the polka it would propose, and its last votes', () => {
    const host = locked();
    host.hear(...[1, 2, 3].map((one) => precommit(one, 0, null)));
    host.timeOut('precommit');
    host.timeOut('propose');
    const effects = host.timeOut('rebroadcast');
    expect(sayAll(effects)).toEqual([
      'broadcast reason 1/1 precommit-any: precommit 0 A by 0, precommit 0 nil by 1, precommit 0 nil by 2, precommit 0 nil by 3',
      'broadcast polka 1/0 A of 0 1 2',
      'broadcast prevote 1/1 nil by 0',
      'broadcast precommit 1/0 A by 0',
      'schedule rebroadcast 1/1 in 3500 ms',
    ]);
  });

  test('its own proposal as well, in the round that it is for', () => {
    const host = started({ proposers: proposersFrom(0, 1, 2, 3) });
    host.make(A);
    expect(ofKind(host.timeOut('rebroadcast'), 'broadcast')).toEqual([
      'broadcast proposal 1/0 A by 0',
      'broadcast prevote 1/0 A by 0',
    ]);
    host.hear(prevote(1, 1, null), prevote(2, 1, null));
    expect(ofKind(host.timeOut('rebroadcast'), 'broadcast').join()).not.toContain('proposal');
  });

  test('and asks again for the blocks that it was not given', () => {
    const host = started();
    host.hear(proposal(1, 0, A));
    expect(ofKind(host.timeOut('rebroadcast'), 'validate')).toEqual(['validate A from 1']);
    host.judge(A);
    expect(ofKind(host.timeOut('rebroadcast'), 'validate')).toEqual([]);
  });

  test('repeating is not logged, changes nothing, and goes on: the interval grows with the round', () => {
    const host = started();
    const before = host.state;
    expect(sayAll(host.timeOut('rebroadcast'))).toEqual(['schedule rebroadcast 1/0 in 2500 ms']);
    expect(host.state).toBe(before);
    host.hear(prevote(1, 4, null), prevote(2, 4, null));
    expect(sayAll(host.timeOut('rebroadcast')).at(-1)).toBe('schedule rebroadcast 1/4 in 6500 ms');
  });

  test('while the block of a decision is missing, the certificate is what is repeated', () => {
    const host = started();
    host.hear(...[1, 2, 3].map((one) => precommit(one, 0, A)));
    expect(sayAll(host.timeOut('rebroadcast'))).toEqual([
      'broadcast commit 1/0 A of 1 2 3',
      'validate A from 1 2 3',
      'schedule rebroadcast 1/0 in 2500 ms',
    ]);
  });
});

describe('more than a third lies', () => {
  test('two commit quorums of a height: the one that was seen is still proven, and repeated', () => {
    const host = started();
    host.hear(
      ...[1, 2, 3].map((one) => precommit(one, 1, B)),
      ...[1, 2, 3].map((one) => precommit(one, 0, A)),
    );
    host.hear(commit(2, C, [1, 2, 3]));
    expect(ofKind(host.timeOut('rebroadcast'), 'broadcast')).toEqual(['broadcast commit 1/1 B of 1 2 3']);
    expect(host.evidence).toEqual([]); // of two rounds: whoever prevoted without a word is found by its prevotes
  });

  test('a block is fetched from others, even if this validator signed for it', () => {
    expect(ofKind(started().hear(commit(0, A, [0, 1, 2])), 'validate')).toEqual(['validate A from 1 2']);
  });

  test('a quorum for a block that was found invalid: everything stops, with the proof of it', () => {
    const host = started();
    host.hear(proposal(1, 0, A));
    host.judge(A, false);
    const effects = host.hear(commit(0, A, [1, 2, 3]));
    expect(sayAll(effects)).toEqual([
      'append commit 1/0 A of 1 2 3',
      'cancel-timeouts',
      'halt 1 A by commit 1/0 A of 1 2 3',
    ]);
    expect(host.state.driver!.round.step).toBe('awaiting');
    expect(host.halts[0]!.reason).toBe('commit-of-invalid-block');
  });

  test('a block that is found invalid after a quorum has committed it stops everything as well, once', () => {
    const host = started();
    host.hear(commit(0, A, [1, 2, 3]));
    expect(sayAll(host.judge(A, false))).toEqual([
      'append verdict A invalid',
      'halt 1 A by commit 1/0 A of 1 2 3',
    ]);
    expect(host.judge(A, false)).toEqual([]);
    expect(host.judge(B, false).map((effect) => effect.kind)).toEqual(['append']);
  });

  test('whoever starts again after that halts again, before it does anything', () => {
    const host = started();
    host.hear(commit(0, A, [1, 2, 3]));
    host.judge(A, false);
    expect(sayAll(host.restart(host.log.length))).toEqual(['halt 1 A by commit 1/0 A of 1 2 3']);
  });
});

describe('L5: certificates as a whole', () => {
  test('an equivocator’s earlier votes do not make a polka or a commit uncountable', () => {
    const host = started();
    host.hear(
      prevote(1, 0, B),
      prevote(1, 0, null),
      precommit(1, 0, B),
      precommit(1, 0, null),
      proposal(1, 0, A),
    );
    host.judge(A);
    host.hear(polka(0, A, [1, 2, 3]));
    expect(host.state.driver!.round.lockedBlock).toBe(A);
    host.hear(commit(0, A, [1, 2, 3]));
    expect(host.decisions.map(sayEffect)).toEqual(['decide 1 A by commit 1/0 A of 1 2 3']);
  });
});

// L6 (every signature of a certificate is checked, pitfall 7) is the border's: certificate.test.ts and verify.test.ts.

describe('L7: who speaks at a height that is over', () => {
  test('is sent the decision when it repeats a vote, not for a vote that was only late', () => {
    const host = decided();
    expect(sayAll(host.hear(precommit(3, 0, A)))).toEqual([]);
    expect(sayAll(host.hear(precommit(3, 0, A)))).toEqual(['send-decision 1 to 3']);
    host.start({ ...START, height: 2 });
    expect(sayAll(host.hear(prevote(3, 0, A)))).toEqual([]);
    expect(sayAll(host.hear(prevote(3, 0, A)))).toEqual(['send-decision 1 to 3']);
  });

  test('at once when it is further behind', () => {
    const host = decided();
    host.start({ ...START, height: 3 });
    expect(sayAll(host.hear(prevote(3, 0, null, { height: 1 })))).toEqual([]);
    host.start({ ...START, height: 4 });
    expect(sayAll(host.hear(prevote(3, 0, null, { height: 1 })))).toEqual(['send-decision 1 to 3']);
  });

  test('a third value of an equivocator is neither late nor repeated: nothing', () => {
    const host = decided();
    host.hear(precommit(2, 0, B));
    const before = host.state;
    expect(host.hear(precommit(2, 0, C))).toEqual([]);
    expect(host.state).toBe(before);
  });

  test('proposals and certificates ask for nothing: others than their signers pass them on', () => {
    const host = decided();
    const messages = [proposal(1, 0, A), proposal(1, 0, B), polka(0, A, [0, 1, 2]), commit(0, A, [0, 1, 2])];
    const before = host.state;
    expect(host.hear(...messages)).toEqual([]);
    expect(host.state).toBe(before);
    host.start({ ...START, height: 2 });
    expect(host.hear(...messages)).toEqual([]);
  });

  test('one’s own late votes, returned by others, ask for nothing either', () => {
    const host = decided();
    host.start({ ...START, height: 2 });
    expect(host.hear(prevote(0, 0, A), precommit(0, 0, A))).toEqual([]);
  });

  test('late votes still convict, at the height decided last and at the one before', () => {
    const host = decided();
    host.hear(precommit(2, 0, B));
    host.start({ ...START, height: 2 });
    host.hear(prevote(2, 0, B));
    expect(host.evidence.map((one) => one.kind)).toEqual(['double-vote', 'double-vote']);
  });

  test('E4: a second decision of the height is an attack', () => {
    const host = decided();
    host.hear(commit(1, A, [1, 2, 3]));
    expect(host.evidence).toEqual([]);
    host.hear(commit(1, B, [1, 2, 3]));
    expect(host.evidence.map((one) => one.kind)).toEqual(['light-client-attack']);
  });

  test('E4: who precommitted in the other decision and forgot it is found by the votes that are at hand', () => {
    const host = started();
    host.hear(prevote(1, 1, A), prevote(2, 1, A), proposal(2, 1, A));
    host.judge(A);
    host.hear(precommit(1, 1, A), precommit(2, 1, A));
    expect(host.decisions.length).toBe(1);
    host.hear(commit(0, B, [1, 2, 3]));
    expect(host.evidence.map((one) => one.kind)).toEqual(['light-client-attack', 'amnesia', 'amnesia']);
    expect(host.evidence.slice(1).flatMap(guiltyOf)).toEqual([1, 2]);
  });
});

// ---- Heights ---------------------------------------------------------------------------------------------------------------

describe('early messages of the next height', () => {
  const early = [
    proposal(1, 0, B, { height: 2 }),
    prevote(1, 0, B, { height: 2 }),
    prevote(2, 0, B, { height: 2 }),
  ];
  const NEXT = { ...START, height: 2, proposers: { firstHeight: 2, slots: [1, 2, 3, 0] } };

  test('are kept, and heard when it begins: logged after its start, each with its effects', () => {
    const host = decided();
    expect(host.hear(...early)).toEqual([]);
    const effects = host.start(NEXT);
    expect(ofKind(effects, 'append')).toEqual([
      'append start-height 2',
      ...early.map((one) => `append ${say(one)}`),
    ]);
    expect(ofKind(effects, 'validate')).toEqual(['validate B from 1']);
    host.judge(B);
    expect(host.state.driver!.round.lockedBlock).toBe(B);
  });

  test('only of the next height, each once, a few of each validator and one certificate of a kind', () => {
    const host = started();
    for (let round_ = 0; round_ < 50; round_++) host.hear(prevote(1, round_, B, { height: 2 }));
    host.hear(
      prevote(2, 0, B, { height: 2 }),
      prevote(2, 0, B, { height: 2 }),
      prevote(2, 0, B, { height: 3 }),
    );
    host.hear(polka(0, B, QUORUM, { height: 2 }), polka(1, B, QUORUM, { height: 2 }));
    const kept = host.state.early.map((one) => ('validator' in one ? one.validator : one.kind));
    expect(kept).toEqual([
      ...Array.from({ length: EARLY_MESSAGES_PER_VALIDATOR }, () => 1),
      2,
      'polka-certificate',
    ]);
  });

  test('are forgotten when the height that begins is another', () => {
    const host = started();
    host.hear(...early);
    expect(ofKind(host.start({ ...START, height: 3 }), 'append')).toEqual(['append start-height 3']);
    expect(host.state.early).toEqual([]);
    expect(host.helped).toEqual([]);
  });
});

describe('pitfall 6: what is stale', () => {
  test('time-outs of other rounds and heights change nothing', () => {
    const host = started();
    host.hear(prevote(1, 2, null), prevote(2, 2, null));
    const before = host.state;
    for (const timeout of ['propose', 'prevote', 'precommit', 'rebroadcast'] as const) {
      for (const [h, r] of [
        [1, 0],
        [1, 1],
        [1, 3],
        [0, 2],
        [2, 2],
      ] as const) {
        expect(host.input({ kind: 'timeout', timeout, height: h, round: r })).toEqual([]);
      }
    }
    expect(host.state).toBe(before);
  });

  test('after a decision no time-out does anything, and all timers were cancelled', () => {
    const host = decided();
    expect(host.timers).toEqual([]);
    const before = host.state;
    for (const timeout of ['propose', 'prevote', 'precommit', 'rebroadcast'] as const) {
      expect(host.timeOut(timeout)).toEqual([]);
    }
    expect(host.state).toBe(before);
  });

  test('values and verdicts of another height, and values of another round, are ignored', () => {
    const host = started({ proposers: proposersFrom(0, 1, 2, 3) });
    const before = host.state;
    host.input({ kind: 'value', height: 2, round: 0, blockId: A });
    host.input({ kind: 'value', height: 1, round: 1, blockId: A });
    host.input({ kind: 'verdict', height: 0, blockId: A, isValid: true });
    expect(host.state).toBe(before);
  });

  test('a height does not begin twice, nor an older one', () => {
    const host = locked();
    const before = host.state;
    for (const h of [0, 1])
      expect(step(CONFIG, before, { kind: 'start-height', start: { ...START, height: h } }).state).toBe(
        before,
      );
  });
});

describe('pitfall 11: nothing is said about a height that others have decided', () => {
  test('a certificate without the block ends all voting', () => {
    const host = started({ proposers: proposersFrom(0, 1, 2, 3) });
    host.hear(commit(0, A, [1, 2, 3]));
    const count = host.sent.length;
    host.make(B);
    host.hear(prevote(1, 3, null), prevote(2, 3, null), polka(0, B, [1, 2, 3]));
    for (const timeout of ['propose', 'prevote', 'precommit'] as const) host.timeOut(timeout);
    expect(host.toSign).toEqual([]);
    expect(host.sent.length).toBe(count);
    expect(sayAll(host.judge(A))).toContain('decide 1 A by commit 1/0 A of 1 2 3');
  });

  test('nor after a crash: a signature that was asked for before is asked for no more', () => {
    const host = new EngineHost({ signsAtOnce: false });
    host.start(START);
    host.hear(proposal(1, 0, A));
    host.judge(A);
    host.hear(commit(0, B, [1, 2, 3]));
    expect(ofKind(host.restart(host.log.length), 'sign')).toEqual([]);
  });
});

// ---- Keys --------------------------------------------------------------------------------------------------------------------

describe('messages under the own key', () => {
  test('that others return change nothing', () => {
    const host = locked();
    const before = host.state;
    expect(host.hear(prevote(0, 0, A), precommit(0, 0, A))).toEqual([]);
    expect(host.state).toBe(before);
  });

  test('that nobody here signed are another’s doing: votes and proposals, of this round and others, and they count for nothing', () => {
    const host = locked();
    const before = host.state;
    const foreign = [
      prevote(0, 0, B),
      precommit(0, 0, null),
      prevote(0, 3, A),
      prevote(0, 9, A),
      proposal(0, 3, A),
    ];
    expect(sayAll(host.hear(...foreign))).toEqual(foreign.map((one) => `foreign-signature ${say(one)}`));
    expect(host.state).toBe(before);
  });

  test('are noticed after the decision as well', () => {
    const host = decided();
    expect(sayAll(host.hear(prevote(0, 1, B)))).toEqual(['foreign-signature prevote 1/1 B by 0']);
  });

  test('inside a certificate are another’s doing, too; the others’ votes in it count', () => {
    const host = started();
    const before = host.state;
    expect(sayAll(host.hear(polka(0, A, [0, 1, 2])))).toEqual([
      'append polka 1/0 A of 0 1 2',
      'foreign-signature prevote 1/0 A by 0',
      'validate A from 1 2',
    ]);
    expect(sayAll(host.hear(polka(0, A, [0, 1, 2])))).toEqual(['foreign-signature prevote 1/0 A by 0']);
    expect(host.state).not.toBe(before);
    expect(ofKind(host.hear(commit(0, B, [0, 2, 3])), 'foreign-signature')).toEqual([
      'foreign-signature precommit 1/0 B by 0',
    ]);
  });

  test('inside a certificate after the decision are noticed as well', () => {
    expect(sayAll(decided().hear(polka(1, B, [0, 1, 2])))).toEqual(['foreign-signature prevote 1/1 B by 0']);
  });

  test('inside a certificate are no surprise when they are known, asked for, or a follower’s', () => {
    expect(ofKind(locked().hear(polka(0, A, [0, 1, 2])), 'foreign-signature')).toEqual([]);
    const asked = new EngineHost({ signsAtOnce: false });
    asked.start(START);
    asked.hear(proposal(1, 0, A));
    asked.judge(A);
    expect(asked.toSign.map(say)).toEqual(['prevote 1/0 A by 0']);
    expect(ofKind(asked.hear(polka(0, A, [0, 1, 2])), 'foreign-signature')).toEqual([]);
    expect(ofKind(started({ self: undefined }).hear(polka(0, A, [0, 1, 2])), 'foreign-signature')).toEqual(
      [],
    );
  });

  test('inside a round certificate are not counted, and noticed', () => {
    const host = started();
    const effects = host.hear(roundReason(1, 'skip', [prevote(0, 1, A), prevote(1, 1, A)]));
    expect(ofKind(effects, 'foreign-signature')).toEqual(['foreign-signature prevote 1/1 A by 0']);
    expect(votesFor(host.state.driver!.votes, 'prevote', 1, A, -1).map(say)).toEqual(['prevote 1/1 A by 1']);
  });
});

// ---- Whole heights -------------------------------------------------------------------------------------------------------------

/** Everybody hears everything at once, in order; blocks are valid; time passes only when nothing else happens. */
class Cluster {
  readonly hosts: readonly EngineHost[];
  readonly #delivered: number[];
  readonly #isUp: (validator: number) => boolean;

  constructor(count: number, isUp: (validator: number) => boolean = () => true) {
    this.hosts = Array.from({ length: count }, () => new EngineHost());
    this.#delivered = this.hosts.map(() => 0);
    this.#isUp = isUp;
  }

  /** Runs a height to its decision everywhere; returns the blocks decided and the rounds it took. */
  decide(height_: number): { readonly blocks: Set<BlockId>; readonly rounds: number } {
    const validators = setOf(...this.hosts.map(() => 1));
    const proposers = { firstHeight: 1, slots: this.hosts.map((_host, index) => index) };
    const up = this.hosts.filter((_host, index) => this.#isUp(index));
    for (const [self, host] of this.hosts.entries()) {
      if (this.#isUp(self)) host.start({ height: height_, validators, proposers, self });
    }
    const isDone = (host: EngineHost): boolean => host.state.driver!.round.step === 'decided';
    for (let turns = 0; !up.every(isDone); turns++) {
      expect(turns).toBeLessThan(200);
      if (!this.#exchange(up)) this.#passTime(up);
    }
    while (this.#exchange(up));
    const decisions = up.map((host) => host.decisions.at(-1)!);
    expect(decisions.every((decision) => decision.height === height_)).toBe(true);
    return {
      blocks: new Set(decisions.map((decision) => decision.blockId)),
      rounds: Math.max(...decisions.map((decision) => decision.certificate.round)) + 1,
    };
  }

  #exchange(up: readonly EngineHost[]): boolean {
    let isBusy = false;
    for (const host of up) {
      if (host.values.length > 0) {
        host.make([A, B, C][host.values[0]!.round % 3]!);
        isBusy = true;
      }
      for (const blockId of host.judging) host.judge(blockId);
    }
    for (const [from, host] of this.hosts.entries()) {
      const messages = host.sent.slice(this.#delivered[from]);
      this.#delivered[from] = host.sent.length;
      for (const other of up) if (other !== host && messages.length > 0) other.hear(...messages);
      isBusy ||= messages.length > 0;
    }
    return isBusy;
  }

  #passTime(up: readonly EngineHost[]): void {
    for (const host of up) {
      const timer = host.timers.find((one) => one.timeout !== 'rebroadcast');
      if (timer !== undefined) host.input({ kind: 'timeout', ...timer });
    }
  }
}

describe('whole heights', () => {
  test('a single validator decides alone, height after height', () => {
    const cluster = new Cluster(1);
    for (let h = 1; h <= 5; h++) expect(cluster.decide(h)).toEqual({ blocks: new Set([A]), rounds: 1 });
  });

  test('four validators, four heights, one round each, nobody accused', () => {
    const cluster = new Cluster(4);
    for (let h = 1; h <= 4; h++) expect(cluster.decide(h)).toEqual({ blocks: new Set([A]), rounds: 1 });
    expect(cluster.hosts.flatMap((host) => [...host.evidence, ...host.foreign, ...host.helped])).toEqual([]);
  });

  test('a proposer that crashed costs a round, and the next one’s block is decided', () => {
    const cluster = new Cluster(4, (one) => one !== 0);
    expect(cluster.decide(1)).toEqual({ blocks: new Set([B]), rounds: 2 });
    expect(cluster.decide(2)).toEqual({ blocks: new Set([A]), rounds: 1 });
  });

  test('seven validators with two crashed go through the same', () => {
    const cluster = new Cluster(7, (one) => one > 1);
    expect(cluster.decide(1)).toEqual({ blocks: new Set([C]), rounds: 3 });
  });

  test('a follower signs and sends nothing, and decides with the others', () => {
    const host = started({ self: undefined });
    const effects = [
      ...host.hear(proposal(1, 0, A)),
      ...host.judge(A),
      ...host.hear(...[1, 2, 3].flatMap((one) => [prevote(one, 0, A), precommit(one, 0, A)])),
    ];
    expect(new Set(effects.map((effect) => effect.kind))).toEqual(
      new Set(['append', 'validate', 'cancel-timeouts', 'decide']),
    );
    expect(host.decisions.length).toBe(1);
  });

  test('a follower that proposes by nobody’s leave: its rounds pass by time, without a word', () => {
    const host = started({ self: undefined });
    host.timeOut('propose');
    host.hear(...[1, 2, 3].map((one) => precommit(one, 0, null)));
    host.timeOut('precommit');
    host.timeOut('rebroadcast');
    expect(host.state.driver!.round.round).toBe(1);
    expect([host.sent, host.toSign, host.values]).toEqual([[], [], []]);
  });
});

test('an input is appended once: known and stale ones leave the very same state', () => {
  const inputs: Input[] = [
    { kind: 'message', message: proposal(1, 0, A) },
    { kind: 'verdict', height: 1, blockId: A, isValid: true },
    { kind: 'message', message: prevote(1, 0, A) },
    { kind: 'message', message: precommit(2, 0, null) },
    { kind: 'message', message: prevote(3, 7, null) },
    { kind: 'message', message: polka(0, A, [1, 2, 3]) },
    {
      kind: 'message',
      message: roundReason(
        1,
        'precommit-any',
        [1, 2, 3].map((one) => precommit(one, 0, null)),
      ),
    },
  ];
  const host = started();
  for (const input of inputs) {
    host.input(input);
    const before = host.state;
    expect(host.input(input)).toEqual([]);
    expect(host.state).toBe(before);
  }
});
