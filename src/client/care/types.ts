// What a program sees when it looks after objects: how they are, why they lie where they lie, and what would be if a node went. All of it follows from
// records that the chain proved; nothing of it changes anything.

import type { SegmentState } from '../../replication/repair.ts';
import type { Standing } from '../../replication/repair.ts';
import type { CallEvents } from '../types.ts';
import type { MadeBundle } from './bundle-make.ts';

export interface SegmentHealthView {
  /** Null: the manifest and its copies. */
  readonly index: number | null;
  readonly state: SegmentState;
  /** Pieces not confirmed lost, and those of them whose holders answer. */
  readonly alive: number;
  readonly answering: number;
  /** So many of those that answer may go, and it can still be read. */
  readonly margin: number;
  readonly pieces: number;
  /** Indices of pieces whose loss is confirmed, and of those that a leaving holder hands over. */
  readonly missing: readonly number[];
  readonly leaving: readonly number[];
  /** Pieces that the most dangerous single cause takes. */
  readonly sharedRisk: number;
}

export interface HolderView {
  readonly node: string;
  /** Null when it is no member any more. */
  readonly operator: string | null;
  readonly standing: Standing;
  /** Of this object, copies of its manifest not counted. */
  readonly pieces: number;
  /** The last height at which a round began in which it showed everything that it was asked for; null: never yet. */
  readonly provenHeight: number | null;
  readonly silentRounds: number;
  /** Parts of a million. */
  readonly score: number;
}

/** Holders that one cause may take together. */
export interface RiskView {
  readonly label: string;
  readonly value: string;
  /** Most pieces of one segment that are with them. */
  readonly pieces: number;
}

export interface LossModel {
  /** Losses of a node in a year that are assumed. */
  readonly lossesPerNodeYear: number;
  /** From the loss of a node until what it held is made again. */
  readonly repairHours: number;
  /** Healthy pieces at or below which they are made again. */
  readonly repairAt: number;
  /** Chance that a whole segment is lost within a year, and the object with all its segments. */
  readonly yearlyLossOfSegment: number;
  readonly yearlyLoss: number;
  /** Chance that the segment that is worst now is lost before it is whole again. */
  readonly lossBeforeRepair: number;
  readonly assumptions: readonly string[];
}

export interface ObjectHealth {
  /** Object id in hex, and the name by which it was found where that is one. */
  readonly object: string;
  readonly uri: string | undefined;
  readonly sizeBytes: number;
  readonly code: { readonly k: number; readonly n: number };
  /** Segments that it has, and those that the chain knows yet. */
  readonly segmentCount: number;
  readonly registered: number;
  /** Of what is worst. */
  readonly state: SegmentState;
  readonly margin: number;
  readonly counts: Readonly<Record<SegmentState, number>>;
  readonly segments: readonly SegmentHealthView[];
  readonly manifest: SegmentHealthView;
  readonly holders: readonly HolderView[];
  /** Largest first. */
  readonly risks: readonly RiskView[];
  readonly model: LossModel;
  /** The state after this height, proven by a header of this time. */
  readonly height: number;
  readonly timeMs: number;
}

/** A member that may hold pieces of a segment, in the order of its placement. */
export interface ExplainedMember {
  readonly rank: number;
  readonly node: string;
  readonly operator: string;
  readonly domains: Readonly<Record<string, string>>;
  readonly stake: bigint;
  readonly capacityBytes: number;
  /** Of all weight, in millionths: so often it would be first. */
  readonly sharePerMillion: number;
  /** Pieces of the segment that it holds. */
  readonly holds: readonly number[];
  /**
   * What placement would do with it now: choose it; keep it as a spare; pass it over because its failure domain has its share of pieces, or its operator
   * has one, or because audits found it silent.
   */
  readonly choice: 'chosen' | 'spare' | 'shared-domain' | 'same-operator' | 'suspended';
}

export interface ExplainedPiece {
  readonly index: number;
  readonly node: string;
  readonly standing: Standing;
  /** Of its holder among the members that may hold it; null when it is none of them any more. */
  readonly rank: number | null;
  /** Whether placement would choose its holder now. */
  readonly isChosen: boolean;
}

export interface SegmentExplanation {
  readonly index: number;
  readonly shard: number;
  readonly members: readonly ExplainedMember[];
  readonly pieces: readonly ExplainedPiece[];
  /** Pieces that placement would give to others now. */
  readonly placedElsewhere: number;
}

export interface Explanation extends SegmentExplanation {
  readonly object: string;
  readonly uri: string | undefined;
  readonly code: { readonly k: number; readonly n: number };
  readonly segmentCount: number;
  readonly epoch: number;
  /** Of the last transaction that registered any of it; members may have changed since. */
  readonly registeredAtHeight: number;
  readonly height: number;
  readonly timeMs: number;
}

export interface PlanOptions extends CallEvents {
  /** At which all of it moves; 10 MiB a second where absent. */
  readonly bytesPerSecond?: number;
}

/** What it would take to take a node out. */
export interface RemovalPlan {
  readonly node: string;
  readonly standing: Standing;
  /** What it had to hold in the last round that it answered. */
  readonly bytes: number;
  readonly bytesPerSecond: number;
  readonly hours: number;
  /** Other members that are healthy, their operators, and what they offer beyond what they hold. */
  readonly takers: number;
  readonly operators: number;
  readonly freeBytes: number;
  /** Of this key and home. */
  readonly ownPieces: number;
  readonly ownBytes: number;
  /** Of all these segments, while it hands its pieces over, and if it goes at once; null when it holds none. */
  readonly lowestMargin: number | null;
  readonly lowestMarginAtOnce: number | null;
  readonly height: number;
  readonly timeMs: number;
}

export interface DrillOptions extends CallEvents {
  /** Pieces that are made again; 16 where absent. */
  readonly sample?: number;
}

export interface DrilledPiece {
  readonly object: string;
  readonly segment: number;
  readonly piece: number;
  readonly lengthBytes: number;
  readonly fetchedBytes: number;
  /** From others alone, and it has the root that the chain says. */
  readonly isRebuilt: boolean;
  readonly problem: string | null;
  readonly durationMs: number;
}

export interface DrillReport {
  readonly node: string;
  readonly standing: Standing;
  /** Pieces of this key and home that the node holds; those in `pieces` were tried. */
  readonly held: number;
  readonly pieces: readonly DrilledPiece[];
  readonly rebuilt: number;
  readonly rebuiltBytes: number;
  readonly fetchedBytes: number;
  readonly durationMs: number;
}

export interface CareOptions extends CallEvents {
  /** Assumed share of nodes lost in a period, in years: 0.1 in 1/12 is ten percent a month, which is the default. */
  readonly loss?: { readonly share: number; readonly periodYears: number };
  /** Default: until the chain declares a silent node lost, and an hour for moving bytes. */
  readonly repairHours?: number;
}

/** Looks after objects: everything is proven by the chain, and nothing changes anything. */
export interface Care {
  /** `target`: a name, the URI of an object, or its id in hex. */
  health(target: string, options?: CareOptions): Promise<ObjectHealth>;
  /** Why the pieces of a segment, number 0 unless said otherwise, lie where they lie. Throws NOT_FOUND where there is no such segment. */
  explain(target: string, options?: CallEvents & { readonly segment?: number }): Promise<Explanation>;
  /** What it would take to take a node out. `node`: its id in hex, or the first digits. */
  plan(node: string, options?: PlanOptions): Promise<RemovalPlan>;
  /** Treats a node as lost, and makes a sample of its pieces again in memory. */
  drill(node: string, options?: DrillOptions): Promise<DrillReport>;
  /** A bundle that proves what the chain says of the object, to whoever verifies it without any network. */
  prove(target: string, options?: CallEvents): Promise<MadeBundle>;
  /** Every object that a name of this home's key stands for, and what this home has put without a name. */
  owned(options?: CallEvents): Promise<readonly OwnedObject[]>;
}

/** An object of the key of this home: named, or put from this home without a name. */
export interface OwnedObject {
  readonly object: string;
  readonly uri: string | undefined;
}
