// Why the pieces of a segment lie where they lie: the order in which its placement ranks the members of the epoch that runs, whom it would choose, and who
// holds them. Pure. A holder that placement would not choose now is no fault: members came and went since, or another one could not be reached at the put.
// Nothing moves because of it.

import { equal, toHex } from '../../base/bytes.ts';
import { type Member, shardOf } from '../../base/epoch.ts';
import type { ObjectId } from '../../base/ids.ts';
import type { Code } from '../../replication/code.ts';
import { segmentIdOf } from '../../replication/object.ts';
import { chooseSpread, rank, shardMembers, weightOf } from '../../replication/placement.ts';
import type { PlacedSegment } from '../../shards/segments.ts';
import type { Holders, NetworkFacts } from './object-facts.ts';
import type { ExplainedMember, ExplainedPiece, SegmentExplanation } from './types.ts';

export function explainSegment(
  { epoch }: NetworkFacts,
  object: ObjectId,
  code: Code,
  index: number,
  { holders: nodes }: PlacedSegment,
  holders: Holders,
): SegmentExplanation {
  const shard = shardOf(object, epoch.params.shardBits);
  const ranked = rank(shardMembers(epoch, shard), 'placement', segmentIdOf(object, index));
  // As placement does: who was silent comes last.
  const order = [...ranked.filter((member) => !isSuspended(member)), ...ranked.filter(isSuspended)];
  const operators = new Set(order.map(({ operator }) => operator)).size;
  const chosen = chooseSpread(order, code.n, operators < code.n);
  const totalWeight = order.reduce((sum, member) => sum + weightOf(member), 0n);
  const pieces = nodes.map((node, pieceIndex): ExplainedPiece => {
    const place = order.findIndex((member) => equal(member.node, node));
    return {
      index: pieceIndex,
      node: toHex(node),
      standing: holders.get(toHex(node))?.standing ?? 'gone',
      rank: place < 0 ? null : place + 1,
      isChosen: chosen.some((member) => equal(member.node, node)),
    };
  });
  const last = order.findLastIndex((member) => chosen.includes(member));
  const members = order.map((member, at): ExplainedMember => {
    const held = pieces.filter(({ node }) => node === toHex(member.node)).map((piece) => piece.index);
    return {
      rank: at + 1,
      node: toHex(member.node),
      operator: member.operator,
      domains: Object.fromEntries(member.domains),
      stake: member.stake,
      capacityBytes: member.capacityBytes,
      sharePerMillion: Number((weightOf(member) * 1_000_000n) / totalWeight),
      holds: held,
      choice: choiceOf(member, chosen, at < last),
    };
  });
  const moves = pieces.filter(({ isChosen }) => !isChosen).length;
  return { index, shard, members, pieces, placedElsewhere: moves };
}

const isSuspended = ({ isSuspended: isSilent }: Member): boolean => isSilent === true;

function choiceOf(
  member: Member,
  chosen: readonly Member[],
  isPassedOver: boolean,
): ExplainedMember['choice'] {
  if (chosen.includes(member)) return 'chosen';
  if (isSuspended(member)) return 'suspended';
  if (chosen.some(({ operator }) => operator === member.operator)) return 'same-operator';
  // Somebody behind it was chosen: its failure domain has its share.
  return isPassedOver ? 'shared-domain' : 'spare';
}
