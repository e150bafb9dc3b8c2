// Values that only `store sim` knows: rates and disasters.

import { StoreError } from '../src/base/errors.ts';
import type { Code } from '../src/replication/code.ts';
import { type Parse, refuse } from './args.ts';

/** `10%/month`: a share that is lost, or how often something happens, in a part of a year. */
export interface Rate {
  readonly value: number;
  readonly isShare: boolean;
  readonly periodYears: number;
  readonly text: string;
}

export interface Disaster {
  readonly share: number;
  readonly day: number;
  readonly text: string;
}

export interface SimFlags {
  readonly nodes: number;
  readonly segments: number;
  readonly segmentSize: number;
  readonly code?: Code;
  readonly churn: Rate;
  readonly outages: Rate;
  readonly outageHours: number;
  readonly rot: Rate;
  readonly rebalance?: boolean;
  readonly disaster?: Disaster;
  readonly uplink: number;
  readonly days: number;
  readonly seed: number;
}

const PERIOD_DAYS: Readonly<Record<string, number>> = { day: 1, week: 7, month: 365.25 / 12, year: 365.25 };
/** Holders take two bytes each: half a gigabyte. */
const PIECES_MAX = 2 ** 28;
/** Nodes are numbered in two bytes, the ones that come for those that are lost included. */
const IDENTITIES_MAX = 50_000;

/** `10%/month` as the share of nodes, `2/month` as how often. */
export const parseRate: Parse = (text, where): Rate => {
  const match = /^(\d{1,4}(?:\.\d{1,6})?)(%?)\/(day|week|month|year)$/.exec(text);
  const value = Number(match?.[1]) / (match?.[2] === '%' ? 100 : 1);
  const isShare = match?.[2] === '%';
  if (match === null || (isShare && value >= 1)) {
    throw refuse(where, text, 'a rate such as 10%/month or 2/week (day, week, month, year)');
  }
  return { value, isShare, periodYears: PERIOD_DAYS[match[3]!]! / PERIOD_DAYS['year']!, text };
};

/** `30%@180`: share and day. */
export const parseDisaster: Parse = (text, where): Disaster => {
  const match = /^(\d{1,3}(?:\.\d{1,3})?)%@(\d{1,5}(?:\.\d{1,3})?)$/.exec(text);
  const share = Number(match?.[1]) / 100;
  if (match === null || share > 1) throw refuse(where, text, 'a share and a day such as 30%@180');
  return { share, day: Number(match[2]), text };
};

/** Throws NOT_ENOUGH_OPERATORS or INVALID_ARGUMENT for what cannot be run. */
export function checkSize(flags: SimFlags, code: Code, deathsPerYear: number): void {
  if (code.n > flags.nodes) {
    throw new StoreError(
      'NOT_ENOUGH_OPERATORS',
      `the code wants ${code.n} holders, the network has ${flags.nodes} nodes`,
      { next: 'Give more --nodes, or a --code with fewer pieces.' },
    );
  }
  if (flags.segments * code.n > PIECES_MAX) {
    throw new StoreError('INVALID_ARGUMENT', `${flags.segments * code.n} pieces are too many to follow`, {
      next: `Give --segments up to ${Math.floor(PIECES_MAX / code.n)}.`,
    });
  }
  if (flags.nodes * (1 + (deathsPerYear * flags.days) / 365.25) > IDENTITIES_MAX) {
    throw new StoreError('INVALID_ARGUMENT', 'more nodes would come and go than can be followed', {
      next: 'Give fewer --nodes, fewer --days or less --churn.',
    });
  }
}

/** The command that makes the same run. */
export function replayCommand(flags: SimFlags, code: Code): string {
  return [
    `store sim --nodes ${flags.nodes} --churn ${flags.churn.text} --days ${flags.days} --seed ${flags.seed}`,
    `--segments ${flags.segments} --segment-size ${flags.segmentSize} --code ${code.k}/${code.n}`,
    `--outages ${flags.outages.text} --outage-hours ${flags.outageHours} --uplink ${flags.uplink} --rot ${flags.rot.text}`,
    ...(flags.rebalance === true ? ['--rebalance'] : []),
    ...(flags.disaster === undefined ? [] : [`--disaster ${flags.disaster.text}`]),
  ].join(' ');
}
