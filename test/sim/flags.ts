// The flags of `npm run sim`, read strictly: a campaign that ran with other settings than were meant proves something else.

import { parseArgs } from 'node:util';
import { drawnCast, factoriesOf } from '../adversaries/consensus/cast.ts';
import type { RunOptions } from './run.ts';

export const USAGE = `npm run sim -- [--seed N | --seeds A..B] [--minutes M] [options]

  --seed N            one seed, with its figures
  --seeds A..B        all seeds from A to B, both included; default 1..200
  --minutes M         end a campaign after M minutes at the latest
  --twins             no storms: two copies of a key under scripted partitions, within the bound and beyond
  --chain             whole nodes with their ledger, and people who use them; not with --twins
  --detection         rounds until nodes that dropped data are caught, computed and observed; nothing else is run
  --jobs N            of a campaign with --chain: so many processes; default 1
  --twice PERCENT     run that share of the seeds twice and compare digests; default 1
  --real-signatures   ed25519 instead of checksums
  --story             of one seed: tell what happened though nothing failed
  --verbose           the same as --story
  --messages          tell of every message, too
  --lines N           last lines of a story; default 120
  --json              one line of JSON
`;

/** Seeds are drawn from here: beyond, numbers are not exact. */
const SEED_MAX = Number.MAX_SAFE_INTEGER;
const STORY_LINES = 120;
const JOBS_MAX = 256;

export interface Settings {
  readonly from: number;
  readonly to: number;
  readonly isCampaign: boolean;
  readonly isTwins: boolean;
  readonly isChain: boolean;
  readonly isDetection: boolean;
  readonly jobs: number;
  readonly untilMs: number;
  readonly twiceShare: number;
  readonly options: RunOptions;
  readonly isTold: boolean;
  readonly hasMessages: boolean;
  readonly lineCount: number;
  readonly isJson: boolean;
}

class UsageError extends Error {}

/** Undefined when help was asked for. Throws for what makes no sense. */
export function settingsOf(args: readonly string[]): Settings | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      minutes: { type: 'string' },
      twins: { type: 'boolean', default: false },
      chain: { type: 'boolean', default: false },
      detection: { type: 'boolean', default: false },
      jobs: { type: 'string' },
      twice: { type: 'string' },
      'real-signatures': { type: 'boolean', default: false },
      story: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      messages: { type: 'boolean', default: false },
      lines: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  if (values.seed !== undefined && values.seeds !== undefined) {
    throw new UsageError('--seed and --seeds exclude each other');
  }
  if (values.chain && values.twins) throw new UsageError('--chain and --twins exclude each other');
  if (values.detection && (values.chain || values.twins)) {
    throw new UsageError('--detection runs by itself');
  }
  if (values.jobs !== undefined && !values.chain) throw new UsageError('--jobs is for --chain');
  const isCampaign = values.seed === undefined;
  const [from, to] = isCampaign ? rangeOf(values.seeds ?? '1..200') : both(seedOf('--seed', values.seed!));
  const minutes = numberOf('--minutes', values.minutes, 0.001, 100_000) ?? Number.POSITIVE_INFINITY;
  return {
    from,
    to,
    isCampaign,
    isTwins: values.twins,
    isChain: values.chain,
    isDetection: values.detection,
    jobs: Math.floor(numberOf('--jobs', values.jobs, 1, JOBS_MAX) ?? 1),
    untilMs: performance.now() + 60_000 * minutes,
    twiceShare: (numberOf('--twice', values.twice, 0, 100) ?? 1) / 100,
    options: {
      hasRealSignatures: values['real-signatures'],
      cast: (scenario) => factoriesOf(drawnCast(scenario), scenario),
    },
    isTold: values.story || values.verbose,
    hasMessages: values.messages,
    lineCount: Math.floor(numberOf('--lines', values.lines, 1, 20_000) ?? STORY_LINES),
    isJson: values.json,
  };
}

const both = (seed: number): [number, number] => [seed, seed];

function seedOf(flag: string, text: string): number {
  const seed = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(seed <= SEED_MAX)) {
    throw new UsageError(`${flag}: "${text}" is no whole number from 0 to ${SEED_MAX}`);
  }
  return seed;
}

function rangeOf(text: string): [number, number] {
  const parts = text.split('..');
  if (parts.length !== 2) throw new UsageError(`--seeds: "${text}" is not of the form A..B`);
  const [from, to] = parts.map((part) => seedOf('--seeds', part)) as [number, number];
  if (from > to) throw new UsageError(`--seeds: ${from} is above ${to}`);
  return [from, to];
}

function numberOf(flag: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new UsageError(`${flag}: "${text}" is no number from ${least} to ${most}`);
  }
  return value;
}
