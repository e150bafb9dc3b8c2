import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { RoundInput, RoundState } from '../../src/consensus/round.ts';
import { configurationsOf, placements } from './configurations.ts';
import { type Engine, loadEngine } from './engine.ts';
import { explore } from './explore.ts';
import type { LocalTable } from './local-table.ts';
import { exploreNaively } from './naive.ts';
import { ABOVE_A_THIRD, BELOW_A_THIRD, EXACTLY_A_THIRD, runCheck, safe, suiteOf } from './suite.ts';
import { Tables } from './tables.ts';
import { aloneAgainstAll, evidenceRules, liveness, refinement, safety, validity } from './verifiable.ts';
import { type Facts, type Vocabulary, NOTHING, intersection, union } from './vocabulary.ts';

const engine = await loadEngine();
const limits = { memoryBytes: 2 ** 30 };
const twoRounds = suiteOf(2);
const tables = new Tables(
  engine,
  twoRounds.flatMap((check) => check.configurations),
);

test.each(
  twoRounds.map((check) => ({
    check,
    name: `${check.title}, stakes ${check.configurations[0]!.powers.join()}`,
  })),
)('two rounds, all placements: $name is $check.expectation', ({ check }) => {
  const { problems, explorations } = runCheck(tables, check, limits);
  expect(problems).toEqual([]);
  expect(explorations.every((one) => one.isComplete)).toBe(true);
});

test('every assignment of proposers is explored up to the names of equal validators', () => {
  expect(placements({ powers: [1, 1, 1, 1], byzantine: [3] }, 3)).toHaveLength(15);
  expect(placements({ powers: [3, 2, 2, 2], byzantine: [3] }, 3)).toHaveLength(36);
  expect(placements({ powers: [1, 2, 3, 4], byzantine: [0] }, 2)).toHaveLength(16);
});

/** What everybody has said that anybody reads, in every state, as the naive search has it. */
function naiveLooks(vocabulary: Vocabulary, live: Facts, sayings: ReadonlySet<string>): Set<string> {
  const bits = new Map(
    vocabulary.messages.map(({ message: { kind, round, blockId, validRound }, effect }) => [
      `${kind} ${round} ${blockId} ${validRound}`,
      effect,
    ]),
  );
  const look = (said: string[]): Facts =>
    intersection(said.map((text) => bits.get(text)!).reduce(union, NOTHING), live);
  return new Set([...sayings].map((text) => JSON.stringify((JSON.parse(text) as string[][]).map(look))));
}

test.each([
  { stake: EXACTLY_A_THIRD[0]!, rounds: 1 },
  { stake: EXACTLY_A_THIRD[0]!, rounds: 2 },
  { stake: ABOVE_A_THIRD[2]!, rounds: 1 },
])(
  'a naive search without any reduction reaches exactly the same: $rounds rounds, $stake.powers',
  ({ stake, rounds }) => {
    const [configuration] = configurationsOf(stake, rounds);
    const naive = exploreNaively(engine, configuration!);
    const own = new Tables(engine, [configuration!]);
    const looks = new Set<string>();
    const look = (table: LocalTable, local: number): Facts =>
      intersection(table.local.historyOf(local).facts, own.live);
    const found = explore(own, configuration!, {
      limits,
      isPlain: true,
      onDisagreement: () => () => undefined,
      onState: (locals, { rows }) =>
        looks.add(JSON.stringify(rows.map((row, slot) => look(row, locals[slot]!)))),
    });
    expect(looks).toEqual(naiveLooks(own.vocabulary, own.live, naive.sayings));
    expect(found.disagreements > 0).toBe(naive.isBroken);
  },
);

test('two liars of four break agreement, and the story of it can be read', () => {
  const [configuration] = configurationsOf(ABOVE_A_THIRD[0]!, 1).slice(-1);
  const { violation, trace } = explore(new Tables(engine, [configuration!]), configuration!, { limits });
  expect(violation).toBe('agreement: v0 can decide A or B, v1 can decide A or B');
  expect(trace.map((line) => line.replace(/ +\[.*/, ''))).toEqual([
    'v0 prevotes A in round 0',
    'v0 precommits A in round 0',
    'v1 prevotes B in round 0',
    'v1 precommits B in round 0',
  ]);
});

test('a search stops in the open when its memory is spent', () => {
  const { isComplete, states } = explore(tables, configurationsOf(BELOW_A_THIRD[0]!, 2)[0]!, {
    limits: { memoryBytes: 2 ** 18 },
  });
  expect(isComplete).toBe(false);
  expect(states).toBeLessThan(11_519);
});

/** The engine with its lock rule changed. */
function damaged(change: (state: RoundState, input: RoundInput) => RoundState): Engine {
  const { applyRound } = engine.round;
  return {
    ...engine,
    round: {
      ...engine.round,
      applyRound: (state, input, isProposer) => applyRound(change(state, input), input, isProposer),
    },
  };
}

/** "Or lockedBlock = v", as the rule was published. */
const relaxed = damaged((state, input) => {
  const isOwn =
    (input.kind === 're-proposal' || input.kind === 'fresh-proposal') && input.blockId === state.lockedBlock;
  return isOwn ? { ...state, lockedRound: -1 } : state;
});

test('a validator alone contradicts itself under no inputs, and is framed where the lock is relaxed', () => {
  expect(aloneAgainstAll(engine, 3, 0).verify()).toMatchObject({
    isExhaustive: true,
    states: 16_427,
    violations: [],
  });
  expect(aloneAgainstAll(relaxed, 3, 0).verify().violations[0]).toMatch(/lock discipline/);
});

test('an ignored lock and an ignored verdict are found in two rounds', () => {
  const check = safe('damaged', [configurationsOf(BELOW_A_THIRD[0]!, 2).at(-1)!]);
  const forgetful = damaged((state) => ({ ...state, lockedRound: -1 }));
  expect(safety(forgetful, check, limits).verify().violations[0]).toMatch(/lock discipline/);
  const { applyRound } = engine.round;
  const trusting: Engine = {
    ...engine,
    round: {
      ...engine.round,
      applyRound: (state, input, isProposer) =>
        applyRound(state, input.kind === 'fresh-proposal' ? { ...input, isValid: true } : input, isProposer),
    },
  };
  expect(validity(trusting, check, limits).verify().violations[0]).toMatch(/validity/);
});

test('properties answer with what was looked at, the same each time', () => {
  const check = safe('below a third', configurationsOf(BELOW_A_THIRD[0]!, 1));
  const proof = safety(engine, check, limits).verify();
  expect(proof).toMatchObject({ property: 'Safety', isExhaustive: true, runs: 0, violations: [] });
  expect(proof.states).toBeGreaterThan(0);
  expect(safety(engine, check, limits).verify()).toEqual(proof);
  expect(validity(engine, check, limits).verify()).toMatchObject({
    property: 'Validity',
    digest: proof.digest,
  });
});

test('evidence convicts for exactly the pairs of messages that are at odds', () => {
  expect(evidenceRules(engine).verify().violations).toEqual([]);
});

test('the driver does what the rules say of the messages at hand', () => {
  for (const one of refinement(engine, { runs: 300, seed: 1, isSmoke: true }))
    expect(one.verify().violations).toEqual([]);
});

test('everybody decides soon after order returns', () => {
  const proof = liveness(engine, { runs: 500, seed: 1, roundsMax: 6 }).verify();
  expect(proof).toMatchObject({ property: 'Liveness', isExhaustive: false, runs: 500, violations: [] });
});

test('a wrong flag ends with 2 and the list of flags', () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [main, '--rounds', '9'], { encoding: 'utf8' });
  expect(stderr).toContain('--rounds 9: a whole number from 1 to 4 is meant');
  expect(status).toBe(2);
});
