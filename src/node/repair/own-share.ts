// Which piece of a segment this node makes again now, if any: everybody who sees the same chain, and has a clock, comes to an answer that fits the others'.
//
// Each new holder rebuilds its own piece: nobody has to be asked for anything, and nobody's word is waited for. Turns go by slots of time; so
// where a new holder does not do it, the next slot has another.

import { equal, toHex } from '../../base/bytes.ts';
import type { EpochRecord, Member } from '../../base/epoch.ts';
import type { NodeId } from '../../base/ids.ts';
import { type Holding, needsRepair, type SegmentHealth, segmentHealth } from '../../replication/repair.ts';
import { repairLease } from '../../replication/repair-lease.ts';
import { StorageMembers } from '../../shards/storage-members.ts';
import { type HeldSegment, holderOrder, isOfCopies } from './held-segment.ts';
import type { Standings } from './holder-standings.ts';
import type { ProvenLoss, ProvenLosses } from './proven-losses.ts';

/** What is known beside the segment's own record. */
export interface RepairView {
  readonly epoch: EpochRecord;
  readonly standings: Standings;
  readonly losses: Pick<ProvenLosses, 'at'>;
}

/** Why a piece may be taken over. */
export type LossCause =
  | { readonly kind: 'gone' }
  | { readonly kind: 'silent' }
  | { readonly kind: 'proven'; readonly loss: ProvenLoss };

export interface OwnShare {
  readonly pieceIndex: number;
  readonly from: NodeId;
  readonly cause: LossCause;
}

let lastMembers: { readonly epoch: EpochRecord; readonly members: StorageMembers } | undefined;

function membersOf(epoch: EpochRecord): StorageMembers {
  if (lastMembers?.epoch !== epoch) lastMembers = { epoch, members: new StorageMembers(epoch) };
  return lastMembers.members;
}

export function holdingsOf(held: HeldSegment, { epoch, standings, losses }: RepairView): readonly Holding[] {
  const members = membersOf(epoch);
  const { object, segmentIndex } = held;
  return held.holders.map((node, pieceIndex): Holding => {
    const member = members.get(node);
    return {
      node,
      member,
      standing: member === undefined ? 'gone' : (standings.get(toHex(node)) ?? 'healthy'),
      isDamaged: losses.at({ object, segmentIndex, pieceIndex }, node) !== undefined,
    };
  });
}

export function healthOf(held: HeldSegment, view: RepairView): SegmentHealth {
  return segmentHealth(held.code, holdingsOf(held, view));
}

/** Undefined when nothing of the segment is made again now, or not here. */
export function ownShare(
  held: HeldSegment,
  view: RepairView,
  self: NodeId,
  turn: number,
): OwnShare | undefined {
  const holdings = holdingsOf(held, view);
  const health = segmentHealth(held.code, holdings);
  if (!needsRepair(health)) return undefined;
  const proven = health.missing.map((pieceIndex) => lossAt(held, view, pieceIndex));
  const mayHold = (member: Member): boolean => {
    const text = toHex(member.node);
    if (member.isSuspended === true || (view.standings.get(text) ?? 'healthy') !== 'healthy') return false;
    return proven.every((loss) => loss === undefined || loss.auditors.has(text));
  };
  const order = holderOrder(view.epoch, held);
  const request = { holdings, missing: health.missing, mayHold, turn };
  // Copies with one operator are better than fewer copies; of pieces the chain wants each with another, but in a trial.
  const allowSameOperator = view.epoch.params.isTrial;
  const lease =
    repairLease(order, { ...request, allowSameOperator }) ??
    (isOfCopies(held) ? repairLease(order, { ...request, allowSameOperator: true }) : undefined);
  const target = lease?.targets.find(({ holder }) => equal(holder.node, self));
  if (target === undefined) return undefined;
  const { pieceIndex } = target;
  return { pieceIndex, from: held.holders[pieceIndex]!, cause: causeOf(held, view, holdings, pieceIndex) };
}

function lossAt(
  { object, segmentIndex, holders }: HeldSegment,
  view: RepairView,
  pieceIndex: number,
): ProvenLoss | undefined {
  return view.losses.at({ object, segmentIndex, pieceIndex }, holders[pieceIndex]!);
}

function causeOf(
  held: HeldSegment,
  view: RepairView,
  holdings: readonly Holding[],
  pieceIndex: number,
): LossCause {
  const { standing } = holdings[pieceIndex]!;
  if (standing === 'gone') return { kind: 'gone' };
  const loss = lossAt(held, view, pieceIndex);
  return loss === undefined || standing === 'lost' ? { kind: 'silent' } : { kind: 'proven', loss };
}
