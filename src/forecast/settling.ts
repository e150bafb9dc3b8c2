// Rebalancing: after nodes have joined, pieces move to them that placement gives them now, a bounded number in each round (`replication/rebalance.ts`).

import type { EpochRecord, Member } from '../base/epoch.ts';
import type { Digest, Epoch, NetworkId } from '../base/ids.ts';
import { REBALANCE_MOVES_MAX } from '../base/limits.ts';
import { DEFAULT_PARAMS } from '../base/params.ts';
import { Rebalancer } from '../replication/rebalance.ts';
import type { Fleet } from './fleet.ts';
import type { Ranking } from './ranking.ts';
import { NO_LEAD, type SegmentTable } from './segment-table.ts';

/** Segments looked at in a round at most: whoever plans has other things to do. */
const LOOKED_AT_PER_ROUND = 16_384;

export class Settling {
  readonly #table: SegmentTable;
  readonly #fleet: Fleet;
  readonly #ranking: Ranking;
  /** Whom the pieces are spread over. */
  #settled: readonly Member[];
  #under: { readonly rebalancer: Rebalancer; readonly after: readonly Member[]; next: number } | undefined;

  constructor(table: SegmentTable, fleet: Fleet, ranking: Ranking) {
    this.#table = table;
    this.#fleet = fleet;
    this.#ranking = ranking;
    this.#settled = membersOf(fleet);
  }

  /** Members have changed: begins anew, with all who joined since the pieces were last spread. */
  begin(): void {
    const after = membersOf(this.#fleet);
    const rebalancer = new Rebalancer(recordOf(this.#settled), recordOf(after), (members, segment) =>
      this.#ranking.order(members, segment),
    );
    this.#under = { rebalancer, after, next: 0 };
  }

  /** Moves of one round; how many pieces. Calls `move` for each. True as long as there may be more. */
  round(move: (segment: number, piece: number, to: Member) => void): boolean {
    const under = this.#under;
    if (under === undefined) return false;
    const end = Math.min(this.#table.count, under.next + LOOKED_AT_PER_ROUND);
    for (let moved = 0; under.next < end && moved < REBALANCE_MOVES_MAX; under.next++) {
      moved += this.#settle(under.rebalancer, under.next, move);
    }
    if (under.next < this.#table.count) return true;
    this.#settled = under.after;
    this.#under = undefined;
    return false;
  }

  /** Segments with anything missing are repair's. */
  #settle(
    rebalancer: Rebalancer,
    segment: number,
    move: (segment: number, piece: number, to: Member) => void,
  ): number {
    const { alive, leads, code } = this.#table;
    if (alive[segment] !== code.n || leads[segment] !== NO_LEAD) return 0;
    const holders = Array.from(
      { length: code.n },
      (_, piece) => this.#fleet.nodes[this.#table.holder(segment, piece)]!,
    );
    const moves = rebalancer.moves({
      object: this.#table.objectId(segment),
      segment: this.#table.segmentId(segment),
      holders: holders.map(({ member }) => member.node),
    });
    const able = moves.filter(({ pieceIndex, to }) => holders[pieceIndex]!.isUp && this.#fleet.of(to).isUp);
    for (const { pieceIndex, to } of able) move(segment, pieceIndex, to);
    return able.length;
  }
}

function membersOf(fleet: Fleet): readonly Member[] {
  return fleet.members.map(({ member }) => member);
}

function recordOf(members: readonly Member[]): EpochRecord {
  const none = new Uint8Array(32);
  return {
    network: none as NetworkId,
    epoch: 0 as Epoch,
    previous: none as Digest,
    seed: none as Digest,
    params: DEFAULT_PARAMS,
    members,
  };
}
