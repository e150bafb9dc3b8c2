// Repair as the nodes do it: what is missing is noticed by the chain's standings, the lead of each segment is the one whose lease it is, every node has a
// bounded queue and works off the riskiest first at its share of the uplink. Decisions are those of `replication/repair*.ts`; this file only gives them
// time and bytes.
//
// A lead that is up keeps its segment until it is done: leases pass on when nothing comes of them, and that is here when the lead is down.

import { REPAIR_SLOT_MS } from '../base/limits.ts';
import {
  type Holding,
  planRepair,
  returnedPiece,
  type SegmentHealth,
  type SegmentState,
  segmentHealth,
  stateOf,
} from '../replication/repair.ts';
import { type NewHolder, repairLease, repairTurn } from '../replication/repair-lease.ts';
import type { StormLimiter } from '../replication/repair-storm.ts';
import type { Agenda } from './agenda.ts';
import type { Damage } from './damage.ts';
import type { ForecastEvent } from './events.ts';
import type { Fleet, FleetNode } from './fleet.ts';
import type { Ranking } from './ranking.ts';
import { LEAD, NO_LEAD, type SegmentTable, WAITING } from './segment-table.ts';
import type { Tally } from './tally.ts';

/** What repair may use of a node's uplink; all of it for what is urgent. */
const SHARE_OF_UPLINK = 0.25;

export interface CrewParts {
  readonly table: SegmentTable;
  readonly fleet: Fleet;
  readonly ranking: Ranking;
  readonly agenda: Agenda<ForecastEvent>;
  readonly limiter: StormLimiter;
  readonly damage: Damage;
  readonly tally: Tally;
  readonly pieceLength: number;
  readonly uplinkPerSecond: number;
}

interface Lease {
  readonly targets: readonly NewHolder[];
  readonly missingCount: number;
  readonly dueMs: number;
}

export class Crew {
  readonly #parts: CrewParts;
  /** Of segments that wait in a queue. */
  readonly #leases = new Map<number, Lease>();
  /** Segments whose lead was down: the next slot has another. */
  #nextSlot: number[] = [];
  #isSlotDue = false;
  #queued = 0;
  /** Some segments were left out: a storm, a full queue, nobody able. */
  #isScanWanted = false;

  constructor(parts: CrewParts) {
    this.#parts = parts;
  }

  /** Something about the segment has changed: queues it, changes its place, or takes it out. */
  consider(segment: number): void {
    const { table, fleet } = this.#parts;
    const lead = table.leads[segment]!;
    if (!this.#isDue(segment)) {
      if (lead >= LEAD) this.#drop(fleet.nodes[lead - LEAD]!, segment);
      return;
    }
    if (lead === WAITING) return;
    const holdings = this.#holdings(segment);
    const health = segmentHealth(table.code, holdings);
    if (lead >= LEAD) {
      const node = fleet.nodes[lead - LEAD]!;
      if (node.queue.has(segment)) node.queue.offer(this.#entry(segment, health));
      return;
    }
    const { limiter, agenda } = this.#parts;
    if (!limiter.admits(agenda.nowMs, health.margin, this.#queued, table.count)) {
      this.scanAt(limiter.untilMs);
      return;
    }
    this.#assign(segment, holdings, health, agenda.nowMs);
  }

  /** Many at once: the riskiest first, for in a storm only so many are admitted. */
  considerAll(segments: readonly number[]): void {
    const { alive } = this.#parts.table;
    for (const segment of segments.toSorted((a, b) => alive[a]! - alive[b]! || a - b)) this.consider(segment);
  }

  /** Looks at every segment that has pieces missing and no lead. */
  scan(): void {
    const { table } = this.#parts;
    this.#isScanWanted = false;
    const open: number[] = [];
    for (let segment = 0; segment < table.count; segment++) {
      if (table.leads[segment] === NO_LEAD && table.alive[segment]! < table.code.n && this.#isDue(segment)) {
        open.push(segment);
      }
    }
    this.considerAll(open);
  }

  scanAt(timeMs: number): void {
    if (this.#isScanWanted) return;
    this.#isScanWanted = true;
    this.#parts.agenda.at(timeMs, { kind: 'scan' });
  }

  /** A node is not there any more: what waited for it is the work of others, one slot later. */
  leadDown(node: FleetNode): void {
    for (let entry = node.queue.take(); entry !== undefined; entry = node.queue.take()) {
      this.#queued -= 1;
      this.#leases.delete(entry.key);
      this.#postpone(entry.key);
    }
  }

  slot(): void {
    const open = this.#nextSlot;
    this.#nextSlot = [];
    this.#isSlotDue = false;
    const { leads } = this.#parts.table;
    for (const segment of open) leads[segment] = NO_LEAD;
    for (const segment of open) this.consider(segment);
  }

  /** The node is back: pieces that others hold by now it takes back, keeps or drops. */
  returned(node: FleetNode): void {
    const { table, tally } = this.#parts;
    for (const [segment, piece] of node.former) {
      const holdings = this.#holdings(segment);
      const fate = returnedPiece(table.code, holdings, piece);
      tally.returned[fate] += 1;
      if (fate === 'reclaim' && holdings.every(({ member }) => member !== node.member)) {
        this.#change(segment, piece, node);
        this.consider(segment);
      }
    }
    node.former = [];
    this.#work(node);
  }

  /** The lead of `segment` is done. */
  finished(node: FleetNode, segment: number): void {
    const { table, fleet, agenda, tally } = this.#parts;
    node.isRepairing = false;
    const { targets, dueMs } = this.#leases.get(segment)!;
    this.#leases.delete(segment);
    if (!node.isUp) {
      this.#postpone(segment);
      return;
    }
    let made = 0;
    for (const { pieceIndex, holder } of targets) {
      const to = fleet.of(holder);
      if (!this.#isMissing(segment, pieceIndex) || !to.isUp || to.view !== 'healthy') continue;
      this.#change(segment, pieceIndex, to);
      made += 1;
    }
    if (made > 0) tally.repaired(made, agenda.nowMs - dueMs);
    table.leads[segment] = NO_LEAD;
    // Whatever is still missing had a target that was down; then it is another slot's.
    if (made === 0) this.#postpone(segment);
    else this.consider(segment);
    this.#work(node);
  }

  // ---- One segment -------------------------------------------------------------------------------------------------

  #assign(segment: number, holdings: readonly Holding[], health: SegmentHealth, dueMs: number): void {
    const { table, fleet, ranking, agenda } = this.#parts;
    const holders = new Set(holdings.map(({ member }) => member));
    const able = fleet.members.filter(({ view, member }) => view === 'healthy' && !holders.has(member));
    const order = ranking.order(
      able.map(({ member }) => member),
      table.segmentId(segment),
    );
    const turn = repairTurn(table.confirmedS[segment]! * 1000, agenda.nowMs);
    const lease = repairLease(order, { holdings, missing: health.missing, mayHold: () => true, turn });
    if (lease === undefined) return;
    const lead = fleet.of(lease.lead);
    if (!lead.isUp) {
      this.#postpone(segment);
      return;
    }
    this.#leases.set(segment, { targets: lease.targets, missingCount: health.missing.length, dueMs });
    table.leads[segment] = LEAD + lead.index;
    this.#queued += 1;
    const { dropped } = lead.queue.offer(this.#entry(segment, health));
    if (dropped !== undefined) this.#forget(dropped.key);
    this.#work(lead);
  }

  #work(node: FleetNode): void {
    if (node.isChoosing) return;
    node.isChoosing = true;
    while (node.isUp && !node.isRepairing) {
      const entry = node.queue.take();
      if (entry === undefined) break;
      this.#queued -= 1;
      this.#begin(node, entry.key);
    }
    node.isChoosing = false;
  }

  #begin(node: FleetNode, segment: number): void {
    const { table, agenda, tally, pieceLength, uplinkPerSecond } = this.#parts;
    const { code } = table;
    const lease = this.#leases.get(segment)!;
    if (!this.#isDue(segment) || code.n - table.alive[segment]! !== lease.missingCount) {
      this.#leases.delete(segment);
      table.leads[segment] = NO_LEAD;
      if (this.#isDue(segment)) this.#assignAnew(segment, lease.dueMs);
      return;
    }
    const { sources } = planRepair(code, this.#holdings(segment));
    if (sources.length < code.k || this.#readable(segment) < code.k) {
      this.#leases.delete(segment);
      this.#postpone(segment);
      return;
    }
    // The lead keeps one of the pieces that it makes.
    const moved = (code.k + lease.targets.length - 1) * pieceLength;
    tally.movedBytes += moved;
    const rate = uplinkPerSecond * (this.#stateOf(segment) === 'urgent' ? 1 : SHARE_OF_UPLINK);
    node.isRepairing = true;
    agenda.at(agenda.nowMs + (moved / rate) * 1000, { kind: 'repaired', node: node.index, segment });
  }

  /** The piece has another holder. */
  #change(segment: number, piece: number, to: FleetNode): void {
    const { table, fleet, damage } = this.#parts;
    const from = fleet.nodes[table.holder(segment, piece)]!;
    const wasDamaged = damage.mended(segment, piece);
    if (!from.hasDisk || wasDamaged) table.intact[segment]! += 1;
    else if (!from.isUp) from.former.push([segment, piece]);
    table.alive[segment]! += 1;
    table.setHolder(segment, piece, to.index);
  }

  #drop(node: FleetNode, segment: number): void {
    if (node.queue.remove(segment)) {
      this.#queued -= 1;
      this.#parts.tally.spared += 1;
      this.#leases.delete(segment);
      this.#parts.table.leads[segment] = NO_LEAD;
    }
  }

  #forget(segment: number): void {
    this.#queued -= 1;
    this.#leases.delete(segment);
    this.#parts.table.leads[segment] = NO_LEAD;
    this.scanAt(this.#parts.agenda.nowMs + REPAIR_SLOT_MS);
  }

  #postpone(segment: number): void {
    const { agenda, table } = this.#parts;
    table.leads[segment] = WAITING;
    this.#nextSlot.push(segment);
    if (this.#isSlotDue) return;
    this.#isSlotDue = true;
    agenda.at(agenda.nowMs + REPAIR_SLOT_MS, { kind: 'slot' });
  }

  #assignAnew(segment: number, dueMs: number): void {
    const holdings = this.#holdings(segment);
    this.#assign(segment, holdings, segmentHealth(this.#parts.table.code, holdings), dueMs);
  }

  /** The same as `needsRepair` of its health, from two counts. */
  #isDue(segment: number): boolean {
    const { alive, code } = this.#parts.table;
    if (alive[segment] === code.n) return false;
    const state = this.#stateOf(segment);
    return state === 'repair' || state === 'urgent';
  }

  #stateOf(segment: number): SegmentState {
    const { alive, code } = this.#parts.table;
    return stateOf(code, alive[segment]!, alive[segment]! - this.#silent(segment));
  }

  #silent(segment: number): number {
    const { table, fleet } = this.#parts;
    let count = 0;
    for (let piece = 0; piece < table.code.n; piece++) {
      const isSilent = fleet.nodes[table.holder(segment, piece)]!.view === 'suspended';
      if (isSilent && !this.#isDamaged(segment, piece)) count += 1;
    }
    return count;
  }

  /** Pieces that can be fetched, whatever the chain says. */
  #readable(segment: number): number {
    const { table, fleet, damage } = this.#parts;
    let count = 0;
    for (let piece = 0; piece < table.code.n; piece++) {
      const isUp = fleet.nodes[table.holder(segment, piece)]!.isUp;
      if (isUp && !damage.isThere(segment, piece)) count += 1;
    }
    return count;
  }

  #isDamaged(segment: number, piece: number): boolean {
    return this.#parts.damage.isKnown(segment, piece);
  }

  #isMissing(segment: number, piece: number): boolean {
    const { table, fleet } = this.#parts;
    const { view } = fleet.nodes[table.holder(segment, piece)]!;
    return view === 'lost' || view === 'gone' || this.#isDamaged(segment, piece);
  }

  #holdings(segment: number): readonly Holding[] {
    const { table, fleet } = this.#parts;
    return fleet.holdings(table, segment, (piece) => this.#isDamaged(segment, piece));
  }

  #entry(
    segment: number,
    health: SegmentHealth,
  ): { key: number; margin: number; sharedRisk: number; sizeBytes: number } {
    const { table, pieceLength } = this.#parts;
    return {
      key: segment,
      margin: health.margin,
      sharedRisk: health.sharedRisk,
      sizeBytes: pieceLength * table.code.k,
    };
  }
}
