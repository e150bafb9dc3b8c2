// `npm run model`: explores the round machine to exhaustion, ties the driver to it, and samples liveness. Prints what was looked at; exits
// with 1 and a story when a property is broken, with 2 when it is called wrongly. docs/verification.md tells what it means.

import { parseArgs } from 'node:util';
import { type Stake, configurationsOf, nameOfConfiguration } from './configurations.ts';
import { loadEngine, type Engine } from './engine.ts';
import type { Exploration, Limits } from './explore.ts';
import { type Check, WHALE_LIES, accountable, runCheck, safe, suiteOf } from './suite.ts';
import { Tables } from './tables.ts';
import {
  type Proof,
  type Verifiable,
  aloneAgainstAll,
  evidenceRules,
  liveness,
  proofOf,
  refinement,
} from './verifiable.ts';
import { ROUNDS_MAX } from './vocabulary.ts';

const HELP = `npm run model -- [options]
  --smoke            two rounds, and thousands of runs instead of a million
  --rounds N         rounds to explore, 1 to ${ROUNDS_MAX} (default 3, with --smoke 2)
  --only PART        explore, refine or liveness
  --stakes A,B,C,D   explore these powers only
  --byzantine I,J    who lies, with --stakes (default: the last validator)
  --runs N           sampled runs (default 1000000, with --smoke 2000)
  --seed N           first seed of the sampled runs (default 1)
  --memory-gib N     stop a search before its tables take more (default 6)
  --engine DIR       the engine to check, a copy of src/consensus beside a copy of src/base
  --json             one JSON document instead of lines
`;

interface Settings {
  readonly isSmoke: boolean;
  readonly rounds: number;
  readonly parts: readonly string[];
  readonly stake: Stake | undefined;
  readonly runs: number;
  readonly seed: number;
  readonly limits: Limits;
  readonly engine: string | undefined;
  readonly isJson: boolean;
}

const PARTS = ['explore', 'refine', 'liveness'];
const ROUNDS_AFTER_ORDER = 6;

class UsageError extends Error {}

function settingsOf(args: string[]): Settings {
  const { values } = parseArgs({
    args,
    options: {
      smoke: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      only: { type: 'string' },
      stakes: { type: 'string' },
      byzantine: { type: 'string' },
      runs: { type: 'string' },
      seed: { type: 'string' },
      engine: { type: 'string' },
      'memory-gib': { type: 'string' },
    },
  });
  if (values.only !== undefined && !PARTS.includes(values.only))
    throw new UsageError(`--only ${values.only}`);
  if (values.byzantine !== undefined && values.stakes === undefined)
    throw new UsageError('--byzantine without --stakes');
  return {
    isSmoke: values.smoke,
    isJson: values.json,
    rounds: whole('rounds', values.rounds, values.smoke ? 2 : 3, 1, ROUNDS_MAX),
    parts: values.only === undefined ? PARTS : [values.only],
    stake: values.stakes === undefined ? undefined : stakeOf(values.stakes, values.byzantine),
    runs: whole('runs', values.runs, values.smoke ? 2000 : 1_000_000, 1, 1e9),
    seed: whole('seed', values.seed, 1, 0, 2 ** 31),
    limits: { memoryBytes: whole('memory-gib', values['memory-gib'], 6, 1, 64) * 2 ** 30 },
    engine: values.engine,
  };
}

function whole(
  name: string,
  text: string | undefined,
  otherwise: number,
  least: number,
  most: number,
): number {
  if (text === undefined) return otherwise;
  const number = Number(text);
  if (text === '' || !Number.isInteger(number) || number < least || number > most)
    throw new UsageError(`--${name} ${text}: a whole number from ${least} to ${most} is meant`);
  return number;
}

function stakeOf(stakes: string, byzantine: string | undefined): Stake {
  const powers = stakes.split(',').map((power) => whole('stakes', power, 0, 1, 1e6));
  const liars = (byzantine ?? `${powers.length - 1}`)
    .split(',')
    .map((index) => whole('byzantine', index, 0, 0, powers.length - 1));
  const honest = powers.length - new Set(liars).size;
  if (honest < 1 || honest > 3)
    throw new UsageError(`--stakes ${stakes}: 1 to 3 honest validators can be explored`);
  return { powers, byzantine: [...new Set(liars)] };
}

// ---- Parts ------------------------------------------------------------------------------------------------------

interface Report {
  readonly proofs: Proof[];
  readonly lines: object[];
}

/** A life of the driver takes as long as five runs of the network, and shows less. */
const RUNS_PER_LIFE = 5;

type Job = () => readonly Proof[];

/** What there is to do, the cheap things first: the first broken property ends it. */
function jobsOf(engine: Engine, settings: Settings, report: Report): Job[] {
  const { parts, runs, seed, isSmoke, stake } = settings;
  const jobs: Job[] = [];
  const add = (...properties: readonly Verifiable[]): void => {
    for (const one of properties) jobs.push(() => [one.verify()]);
  };
  if (parts.includes('refine')) add(evidenceRules(engine));
  if (parts.includes('explore')) {
    if (stake === undefined) add(aloneAgainstAll(engine, 3, 0));
    jobs.push(...explorations(engine, settings, report));
    // One round further than the network: that is what it takes to frame a validator whose lock is relaxed.
    if (stake === undefined && !isSmoke)
      add(...[1, 2, 4].map((pattern) => aloneAgainstAll(engine, 3, pattern)), aloneAgainstAll(engine, 4, 0));
  }
  const lives = Math.ceil(runs / RUNS_PER_LIFE);
  if (parts.includes('refine')) add(...refinement(engine, { runs: lives, seed, isSmoke }));
  if (parts.includes('liveness')) add(liveness(engine, { runs, seed, roundsMax: ROUNDS_AFTER_ORDER }));
  return jobs;
}

function explorations(engine: Engine, settings: Settings, report: Report): Job[] {
  const { rounds, stake, isSmoke, limits } = settings;
  const wanted = stake === undefined ? suiteOf(rounds) : [checkOf(stake, rounds)];
  // The whale's lies take longest of all and show nothing that needs a third round.
  const whale = accountable('the whale lies', configurationsOf(WHALE_LIES, Math.min(rounds, 2)));
  const checks = stake === undefined && !isSmoke ? [...wanted, whale] : wanted;
  const byRounds = new Map<number, Tables>();
  const tablesOf = (of: number): Tables => {
    const configurations = checks.flatMap((check) => check.configurations).filter((one) => one.rounds === of);
    const tables = byRounds.get(of) ?? new Tables(engine, configurations);
    byRounds.set(of, tables);
    return tables;
  };
  return checks.map((check) => () => {
    const tables = tablesOf(check.configurations[0]!.rounds);
    const outcome = runCheck(tables, check, limits, (exploration, elapsedMs) =>
      tellExploration(settings, check, exploration, elapsedMs, report),
    );
    return [proofOf('Safety', outcome), proofOf('Validity', outcome)];
  });
}

function checkOf(stake: Stake, rounds: number): Check {
  const total = stake.powers.reduce((sum, power) => sum + power, 0);
  const lying = stake.byzantine.reduce((sum, index) => sum + stake.powers[index]!, 0);
  const configurations = configurationsOf(stake, rounds);
  if (3 * lying <= total) return safe('as asked', configurations);
  return accountable('as asked', configurations);
}

function tellExploration(
  { isJson }: Settings,
  check: Check,
  exploration: Exploration,
  elapsedMs: number,
  report: Report,
): void {
  const { configuration, states, transitions, depth, disagreements, isComplete, violation } = exploration;
  report.lines.push({
    title: check.title,
    expectation: check.expectation,
    ...exploration,
    elapsedMs: Math.round(elapsedMs),
  });
  if (isJson) return;
  const end = violation === undefined ? (isComplete ? '' : ', INCOMPLETE') : `, ${violation}`;
  const forks = disagreements === 0 ? '' : `, ${disagreements} disagreements`;
  process.stdout.write(
    `${check.title} (${check.expectation}): ${nameOfConfiguration(configuration)}: ${states} states, ${transitions} transitions, ` +
      `depth ${depth}${forks}, ${(elapsedMs / 1000).toFixed(1)} s${end}\n`,
  );
}

function tellProof({ isJson }: Settings, proof: Proof): void {
  if (isJson) return;
  const { property, configuration, bounds, states, transitions, depth, runs, isExhaustive, digest } = proof;
  const size =
    runs > 0 ? `${runs} runs, ${transitions} inputs` : `${states} states, ${transitions} transitions`;
  process.stdout.write(
    `${property}: ${configuration}; ${bounds}; ${size}, depth ${depth}, ${isExhaustive ? 'exhaustive' : runs > 0 ? 'sampled' : 'stopped'}, ` +
      `digest ${digest.slice(0, 16)}, ${proof.violations.length} violations\n`,
  );
  for (const violation of proof.violations) process.stdout.write(`VIOLATION ${violation}\n`);
}

async function main(args: string[]): Promise<number> {
  const settings = settingsOf(args);
  const engine = await loadEngine(settings.engine);
  const report: Report = { proofs: [], lines: [] };
  const started = performance.now();
  let isBroken = false;
  for (const job of jobsOf(engine, settings, report)) {
    if (isBroken) break;
    const proofs = job();
    for (const proof of proofs) tellProof(settings, proof);
    report.proofs.push(...proofs);
    isBroken = proofs.some((proof) => proof.violations.length > 0);
  }
  const elapsedMs = Math.round(performance.now() - started);
  if (settings.isJson)
    process.stdout.write(`${JSON.stringify({ ...report, isBroken, elapsedMs }, undefined, 2)}\n`);
  else process.stdout.write(`${isBroken ? 'BROKEN' : 'holds'}, ${(elapsedMs / 1000).toFixed(1)} s\n`);
  return isBroken ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isUsage =
    error instanceof UsageError ||
    (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true;
  if (!isUsage) throw error;
  process.stderr.write(`${(error as Error).message}\n${HELP}`);
  process.exitCode = 2;
}
