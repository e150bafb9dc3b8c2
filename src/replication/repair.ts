// When a segment is repaired, and how. Pure: whoever watches a segment puts together who holds its pieces and what the chain says of these
// holders; everybody who sees the same chain comes to the same answer.
//
// A piece is *missing* once its loss is confirmed: the chain declared its holder lost, the holder is no member any more, or the piece is known to
// be damaged. Silence alone is no loss: pieces of a suspended holder count as alive, and nothing is moved because of them, but they do not
// count as answering. So with 0 <= answering <= alive <= n: what is urgent follows from those that answer, what is lost from those alive.
//
// Who does the work is in `repair-lease.ts`, in which order in `repair-queue.ts`, how much at once in `repair-storm.ts`.

import type { Member } from '../base/epoch.ts';
import type { NodeId } from '../base/ids.ts';
import { type Code, repairThreshold } from './code.ts';

/**
 * What the chain says of a holder. Suspended: silent, not yet lost. Leaving: it said that it goes, and still serves. Gone: no member any more.
 */
export type Standing = 'healthy' | 'suspended' | 'lost' | 'leaving' | 'gone';

/** One piece, as the record of its segment names its holder. */
export interface Holding {
  readonly node: NodeId;
  /** Undefined when the node is no member of the epoch that runs. */
  readonly member: Member | undefined;
  readonly standing: Standing;
  /** The holder admitted it, or an audit proved it. */
  readonly isDamaged: boolean;
}

/**
 * Whole: all pieces answer. Reduced: some do not, and it can wait. Repair: the missing ones are made again. Urgent: one more loss may leave the
 * bare minimum or less. Lost: fewer than k pieces are alive; only a holder that returns helps.
 */
export type SegmentState = 'whole' | 'reduced' | 'repair' | 'urgent' | 'lost';

/** Pieces that one cause may take together. */
export interface RiskGroup {
  /** `operator`, or the label of a failure domain. */
  readonly label: string;
  readonly value: string;
  /** Indices of pieces that answer, at least two. */
  readonly pieces: readonly number[];
}

export interface SegmentHealth {
  readonly state: SegmentState;
  /** Pieces not confirmed lost. */
  readonly alive: number;
  /** Pieces whose holders answer: what can be read now. */
  readonly answering: number;
  /** answering - k: so many of them may go, and it can still be read. */
  readonly margin: number;
  /** Indices of pieces whose loss is confirmed. */
  readonly missing: readonly number[];
  /** Indices of pieces that a leaving holder hands over. */
  readonly leaving: readonly number[];
  /** Largest first. */
  readonly riskGroups: readonly RiskGroup[];
  /** Pieces that the most dangerous single cause takes: 1 when all are apart. */
  readonly sharedRisk: number;
}

/** How one piece gets to a new holder. A holder that returned needs none of this: its pieces are not missing any more. */
export type RepairStep =
  | { readonly means: 'copy'; readonly pieceIndex: number; readonly from: NodeId }
  | { readonly means: 'rebuild'; readonly pieceIndex: number };

export interface RepairPlan {
  readonly steps: readonly RepairStep[];
  /** Indices of the k pieces that all rebuilt ones are made from, the best sources first; empty when nothing is rebuilt. */
  readonly sources: readonly number[];
}

/** What becomes of a piece that comes back after another node was made its holder. */
export type ReturnedPiece = 'reclaim' | 'keep' | 'drop';

type PieceState = 'held' | 'leaving' | 'silent' | 'missing';

/** Health of a segment whose piece i is held as `holdings[i]` says. */
export function segmentHealth(code: Code, holdings: readonly Holding[]): SegmentHealth {
  const states = holdings.map(pieceState);
  const indicesOf = (wanted: PieceState): number[] =>
    [...states.keys()].filter((index) => states[index] === wanted);
  const missing = indicesOf('missing');
  const leaving = indicesOf('leaving');
  const alive = holdings.length - missing.length;
  const answering = alive - indicesOf('silent').length;
  const riskGroups = groupByRisk(holdings, states);
  return {
    state: stateOf(code, alive, answering),
    alive,
    answering,
    margin: answering - code.k,
    missing,
    leaving,
    riskGroups,
    sharedRisk: riskGroups[0]?.pieces.length ?? Math.min(1, answering),
  };
}

function pieceState({ standing, isDamaged }: Holding): PieceState {
  if (isDamaged) return 'missing';
  switch (standing) {
    case 'healthy':
      return 'held';
    case 'leaving':
      return 'leaving';
    case 'suspended':
      return 'silent';
    case 'lost':
    case 'gone':
      return 'missing';
  }
}

/** The state of a segment of which so many pieces are alive and so many of these answer. */
export function stateOf(code: Code, alive: number, answering: number): SegmentState {
  if (alive < code.k) return 'lost';
  if (answering === code.n) return 'whole';
  if (answering - code.k <= 1) return 'urgent';
  return alive <= repairThreshold(code) ? 'repair' : 'reduced';
}

/**
 * Whether the missing pieces are made again now: at the first confirmed loss or lazily, as the threshold of the code says, and at once when one more
 * loss may be fatal. Without a confirmed loss there is nothing to make.
 */
export function needsRepair({ state, missing }: SegmentHealth): boolean {
  return missing.length > 0 && (state === 'repair' || state === 'urgent');
}

/**
 * What is to be moved, by the cheapest means: a holder that leaves hands its pieces over whether or not anything is missing; pieces that are
 * missing are rebuilt from k others, when the segment needs it and k answer.
 */
export function planRepair(code: Code, holdings: readonly Holding[]): RepairPlan {
  const health = segmentHealth(code, holdings);
  const copies = health.leaving.map(
    (pieceIndex): RepairStep => ({ means: 'copy', pieceIndex, from: holdings[pieceIndex]!.node }),
  );
  if (!needsRepair(health) || health.answering < code.k) return { steps: copies, sources: [] };
  const rebuilt = health.missing.map((pieceIndex): RepairStep => ({ means: 'rebuild', pieceIndex }));
  return { steps: [...copies, ...rebuilt], sources: repairSources(code, holdings) };
}

/** Those who stay come before those who are busy leaving; then data pieces, from which the others follow by less work. */
function repairSources(code: Code, holdings: readonly Holding[]): readonly number[] {
  const states = holdings.map(pieceState);
  const indices = [...states.keys()];
  const held = indices.filter((index) => states[index] === 'held');
  const leaving = indices.filter((index) => states[index] === 'leaving');
  return [...held, ...leaving].slice(0, code.k);
}

/**
 * A node came back with a piece that the record gives to another by now. It takes the piece back when that other lost it too, for then nothing
 * moves; it keeps the piece as a reserve while the segment is in danger or the new holder is silent; else it drops it. So a node that comes
 * and goes moves its data once, and a second copy is nobody's to be paid for.
 */
export function returnedPiece(code: Code, holdings: readonly Holding[], pieceIndex: number): ReturnedPiece {
  const { state } = segmentHealth(code, holdings);
  const piece = pieceState(holdings[pieceIndex]!);
  if (piece === 'missing') return 'reclaim';
  const isInDanger = state === 'lost' || state === 'urgent' || state === 'repair';
  return isInDanger || piece === 'silent' ? 'keep' : 'drop';
}

// ---- Shared risk ---------------------------------------------------------------------------------------------

function groupByRisk(holdings: readonly Holding[], states: readonly PieceState[]): readonly RiskGroup[] {
  const groups = new Map<string, { label: string; value: string; pieces: number[] }>();
  holdings.forEach(({ member }, index) => {
    const state = states[index]!;
    if (member === undefined || state === 'missing' || state === 'silent') return;
    for (const [label, value] of [['operator', member.operator] as const, ...member.domains]) {
      // Labels have no such character, so a domain named operator is the only one that could meet an operator, and then it is one cause.
      const key = `${label}=${value}`;
      const group = groups.get(key) ?? { label, value, pieces: [] };
      if (group.pieces.at(-1) !== index) group.pieces.push(index);
      groups.set(key, group);
    }
  });
  return [...groups.values()]
    .filter(({ pieces }) => pieces.length > 1)
    .sort((a, b) => b.pieces.length - a.pieces.length || compareText(a, b));
}

function compareText(a: RiskGroup, b: RiskGroup): number {
  const [left, right] = [`${a.label}=${a.value}`, `${b.label}=${b.value}`];
  return left < right ? -1 : left > right ? 1 : 0;
}
