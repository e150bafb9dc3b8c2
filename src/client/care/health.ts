// How an object is, by what the chain proves: each segment judged as repair judges it, and what the model makes of that. Floating point is for people to read;
// nothing is decided by it.

import { toHex } from '../../base/bytes.ts';
import type { NodeId, ObjectId } from '../../base/ids.ts';
import { type Code, repairThreshold } from '../../replication/code.ts';
import {
  type Holding,
  segmentHealth,
  type SegmentHealth,
  type SegmentState,
} from '../../replication/repair.ts';
import type { AuditRules } from '../../shards/audit-rules.ts';
import type { HolderFacts } from '../../shards/holders.ts';
import type { ObjectRecord } from '../../shards/object-record.ts';
import { segmentCount } from '../../shards/object-shape.ts';
import { DURABILITY_ASSUMPTIONS, durabilityOf, lossBeforeRepair, lossRatePerYear } from '../durability.ts';
import type { Moment } from '../chain/types.ts';
import type { Holders, PartFacts } from './object-facts.ts';
import type {
  CareOptions,
  HolderView,
  LossModel,
  ObjectHealth,
  RiskView,
  SegmentHealthView,
} from './types.ts';

/** From the best to the worst. */
export const STATES: readonly SegmentState[] = ['whole', 'reduced', 'repair', 'urgent', 'lost'];

const DEFAULT_LOSS = { share: 0.1, periodYears: 1 / 12 };
const TRANSFER_HOURS = 1;
const HOUR_MS = 3_600_000;

/** Takes up an object's segments, a part at a time. */
export class HealthTally {
  readonly #object: ObjectId;
  readonly #record: ObjectRecord;
  readonly #rules: AuditRules;
  readonly #segments: SegmentHealthView[] = [];
  readonly #holders = new Map<string, { readonly facts: HolderFacts; pieces: number }>();
  readonly #risks = new Map<string, RiskView>();
  #manifest: SegmentHealthView | undefined;

  constructor(object: ObjectId, record: ObjectRecord, rules: AuditRules) {
    this.#object = object;
    this.#record = record;
    this.#rules = rules;
  }

  add({ first, segments }: PartFacts, holders: Holders): void {
    const { code } = this.#record.shape;
    for (const [at, { holders: nodes }] of segments.entries()) {
      const health = segmentHealth(code, holdingsOf(nodes, holders));
      this.#segments.push(viewOf(first + at, health, nodes.length));
      this.#note(health);
      for (const node of nodes) this.#holderOf(holders.get(toHex(node))!).pieces++;
    }
    if (this.#manifest !== undefined) return;
    const nodes = this.#record.manifest.holders;
    const copies: Code = { k: 1, n: Math.max(1, nodes.length) };
    this.#manifest = viewOf(null, segmentHealth(copies, holdingsOf(nodes, holders)), nodes.length);
    for (const node of nodes) this.#holderOf(holders.get(toHex(node))!);
  }

  result(uri: string | undefined, moment: Moment, options: CareOptions): ObjectHealth {
    const { shape, registered } = this.#record;
    const manifest = this.#manifest!;
    const parts = this.#segments.length === 0 ? [manifest] : this.#segments;
    // What has segments can be read from the chain's records alone: its manifest is wanted back, and in no danger.
    const least = Math.min(
      severity(manifest),
      STATES.indexOf(manifest.missing.length > 0 ? 'repair' : 'reduced'),
    );
    const worst = Math.max(least, ...parts.map(severity));
    const { height, timeMs } = moment;
    return {
      object: toHex(this.#object),
      uri,
      sizeBytes: shape.lengthBytes,
      code: shape.code,
      segmentCount: segmentCount(shape),
      registered,
      state: STATES[worst]!,
      margin: Math.min(...parts.map(({ margin }) => margin)),
      counts: countsOf(parts),
      segments: this.#segments,
      manifest,
      holders: [...this.#holders.values()].map(holderView).sort((a, b) => (a.node < b.node ? -1 : 1)),
      risks: [...this.#risks.values()].sort((a, b) => b.pieces - a.pieces),
      model: this.#model(parts, options),
      height,
      timeMs,
    };
  }

  #holderOf(facts: HolderFacts): { pieces: number } {
    const name = toHex(facts.node);
    const known = this.#holders.get(name) ?? { facts, pieces: 0 };
    this.#holders.set(name, known);
    return known;
  }

  #note({ riskGroups }: SegmentHealth): void {
    for (const { label, value, pieces } of riskGroups) {
      const name = `${label}=${value}`;
      const most = Math.max(pieces.length, this.#risks.get(name)?.pieces ?? 0);
      this.#risks.set(name, { label, value, pieces: most });
    }
  }

  #model(parts: readonly SegmentHealthView[], options: CareOptions): LossModel {
    const { loss = DEFAULT_LOSS, repairHours = repairHoursOf(this.#rules) } = options;
    const first = parts[0]!;
    // What has no segments lies in its manifest, of which there are whole copies.
    const code: Code =
      first.index === null ? { k: 1, n: Math.max(1, first.pieces) } : this.#record.shape.code;
    const lossesPerNodeYear = lossRatePerYear(loss.share, loss.periodYears);
    const input = { code, repairAt: repairThreshold(code), lossesPerNodeYear, repairHours };
    const { yearlyLoss } = durabilityOf(input);
    const fewest = Math.min(...parts.map(({ answering }) => answering));
    return {
      lossesPerNodeYear,
      repairHours,
      repairAt: input.repairAt,
      yearlyLossOfSegment: yearlyLoss,
      yearlyLoss: -Math.expm1(parts.length * Math.log1p(-yearlyLoss)),
      lossBeforeRepair: fewest === code.n ? 0 : lossBeforeRepair(input, fewest),
      assumptions: DURABILITY_ASSUMPTIONS,
    };
  }
}

export function repairHoursOf({ lostRounds, roundMs }: AuditRules): number {
  return (lostRounds * roundMs) / HOUR_MS + TRANSFER_HOURS;
}

export function holdingsOf(nodes: readonly NodeId[], holders: Holders): readonly Holding[] {
  return nodes.map((node) => {
    const { member, standing } = holders.get(toHex(node))!;
    return { node, member, standing, isDamaged: false };
  });
}

export function severity({ state }: Pick<SegmentHealthView, 'state'>): number {
  return STATES.indexOf(state);
}

function viewOf(index: number | null, health: SegmentHealth, pieces: number): SegmentHealthView {
  const { state, alive, answering, margin, missing, leaving, sharedRisk } = health;
  return { index, state, alive, answering, margin, pieces, missing, leaving, sharedRisk };
}

function holderView({ facts, pieces }: { readonly facts: HolderFacts; readonly pieces: number }): HolderView {
  const { node, member, audits, standing } = facts;
  const provenHeight = audits?.provenHeight ?? 0;
  return {
    node: toHex(node),
    operator: member?.operator ?? null,
    standing,
    pieces,
    provenHeight: provenHeight === 0 ? null : provenHeight,
    silentRounds: audits?.silentRounds ?? 0,
    score: audits?.score ?? 0,
  };
}

function countsOf(parts: readonly SegmentHealthView[]): Record<SegmentState, number> {
  const counts = { whole: 0, reduced: 0, repair: 0, urgent: 0, lost: 0 };
  for (const { state } of parts) counts[state]++;
  return counts;
}
