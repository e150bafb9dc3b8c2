// A network on a virtual clock: nodes come, are away and go as chance has it, seeded; placement, audits' verdicts, repair and leases are the code that real nodes
// run. One run of a year over a million segments takes minutes, because nothing happens between events and nothing looks at all segments
// but the loss of a node.
//
// What is left out, and said in docs/durability.md: audits of nodes that hold all they should (they pass), blocks and their delay, links slower than
// the uplink of whoever repairs.

import { toUtf8 } from '../base/bytes.ts';
import { digest, type Sha256 } from '../base/hash.ts';
import { chooseSpread } from '../replication/placement.ts';
import type { Code } from '../replication/code.ts';
import type { Standing } from '../replication/repair.ts';
import { StormLimiter } from '../replication/repair-storm.ts';
import type { AuditRules } from '../shards/audit-rules.ts';
import { Agenda } from './agenda.ts';
import { Crew } from './crew.ts';
import { Damage } from './damage.ts';
import type { ForecastEvent } from './events.ts';
import { Fleet, type FleetNode, judge } from './fleet.ts';
import { ForecastRandom } from './random.ts';
import { Ranking } from './ranking.ts';
import { SegmentTable } from './segment-table.ts';
import { Settling } from './settling.ts';
import { Tally } from './tally.ts';

export const DAY_MS: number = 24 * 3600 * 1000;
const YEAR_MS = 365.25 * DAY_MS;

export interface ForecastOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly segments: number;
  readonly code: Code;
  readonly segmentLength: number;
  /** Losses for good, per node and year. */
  readonly deathsPerYear: number;
  /** Times that a node is away for a while, per node and year, and for how long on average. */
  readonly outagesPerYear: number;
  readonly outageMs: number;
  /** Times that a node loses a share of its pieces without noticing, per node and year. */
  readonly rotsPerYear: number;
  readonly rotShare: number;
  /** Whether pieces move to nodes that join. */
  readonly isRebalanced: boolean;
  /** A share of all nodes goes within a minute of this time. */
  readonly disaster?: { readonly share: number; readonly atMs: number };
  /** A new node takes the place of one that is gone after so long. */
  readonly joinAfterMs: number;
  readonly uplinkPerSecond: number;
  readonly audit: AuditRules;
}

export class Forecast {
  readonly tally: Tally = new Tally();
  readonly #options: ForecastOptions;
  readonly #agenda: Agenda<ForecastEvent> = new Agenda();
  readonly table: SegmentTable;
  readonly fleet: Fleet;
  readonly #ranking: Ranking;
  readonly #crew: Crew;
  readonly #limiter = new StormLimiter();
  readonly #lives: ForecastRandom;
  readonly #outages: ForecastRandom;
  readonly #rot: ForecastRandom;
  readonly damage: Damage;
  readonly #pieceLength: number;
  #settling: Settling | undefined;
  #isSettling = false;
  #placed = 0;

  constructor(options: ForecastOptions, sha256: Sha256) {
    const { seed, segments, code, segmentLength, uplinkPerSecond } = options;
    const root = digest('epoch-record', [toUtf8(`forecast ${seed}`)], sha256);
    this.#options = options;
    this.#lives = new ForecastRandom(seed, 1);
    this.#outages = new ForecastRandom(seed, 2);
    this.#rot = new ForecastRandom(seed, 3);
    this.#pieceLength = Math.ceil(segmentLength / code.k);
    this.table = new SegmentTable(segments, code, root, sha256);
    this.fleet = new Fleet(root, sha256);
    this.#ranking = new Ranking();
    this.damage = new Damage(this.table, this.#pieceLength, sha256);
    this.#crew = new Crew({
      table: this.table,
      fleet: this.fleet,
      ranking: this.#ranking,
      agenda: this.#agenda,
      limiter: this.#limiter,
      damage: this.damage,
      tally: this.tally,
      pieceLength: this.#pieceLength,
      uplinkPerSecond,
    });
    for (let index = 0; index < options.nodes; index++) this.#join();
    if (options.isRebalanced) this.#settling = new Settling(this.table, this.fleet, this.#ranking);
    if (options.disaster !== undefined) this.#agenda.at(options.disaster.atMs, { kind: 'disaster' });
  }

  get nowMs(): number {
    return this.#agenda.nowMs;
  }

  /** Segments that have been placed. */
  get placed(): number {
    return this.#placed;
  }

  /** Puts the next segments where placement says, at the time zero. True while there are more. */
  place(count: number): boolean {
    const members = this.fleet.members.map(({ member }) => member);
    const { n } = this.table.code;
    const end = Math.min(this.table.count, this.#placed + count);
    for (; this.#placed < end; this.#placed++) {
      const order = this.#ranking.order(members, this.table.segmentId(this.#placed));
      chooseSpread(order, n, false).forEach((member, piece) => {
        this.table.setHolder(this.#placed, piece, this.fleet.of(member).index);
      });
    }
    return this.#placed < this.table.count;
  }

  /** Lets happen what happens until `untilMs`. */
  advance(untilMs: number): void {
    for (let event = this.#agenda.next(untilMs); event !== undefined; event = this.#agenda.next(untilMs)) {
      this.#happen(event);
    }
  }

  /** Years that nodes have been there, all together. */
  nodeYears(): number {
    const living = this.fleet.nodes.filter(({ hasDisk }) => hasDisk);
    const sum = living.reduce((total, { joinedMs }) => total + this.nowMs - joinedMs, this.tally.nodeMs);
    return sum / YEAR_MS;
  }

  /** Segments by how many of their pieces exist: index i has those with i. */
  intactCounts(): readonly number[] {
    const counts = Array.from({ length: this.table.code.n + 1 }, () => 0);
    for (const intact of this.table.intact) counts[intact]! += 1;
    return counts;
  }

  #happen(event: ForecastEvent): void {
    switch (event.kind) {
      case 'death':
        return this.#die(this.fleet.nodes[event.node]!);
      case 'outage':
        return this.#goAway(this.fleet.nodes[event.node]!);
      case 'return':
        this.fleet.nodes[event.node]!.isUp = this.fleet.nodes[event.node]!.hasDisk;
        return this.#planOutage(event.node);
      case 'audit':
        return this.#audit(this.fleet.nodes[event.node]!);
      case 'join':
        this.#join();
        this.tally.joins += 1;
        this.#settle();
        return this.#crew.scan();
      case 'rot':
        return this.#strike(this.fleet.nodes[event.node]!);
      case 'draw':
        return this.#draw(this.fleet.nodes[event.node]!);
      case 'settle':
        return this.#settleOn();
      case 'disaster':
        return this.#disaster();
      case 'repaired':
        return this.#crew.finished(this.fleet.nodes[event.node]!, event.segment);
      case 'slot':
        return this.#crew.slot();
      case 'scan':
        return this.#crew.scan();
    }
  }

  // ---- Lives of nodes ----------------------------------------------------------------------------------------------

  #join(): void {
    const { deathsPerYear } = this.#options;
    const { index } = this.fleet.join(this.nowMs);
    this.#agenda.at(this.nowMs + this.#lives.waiting(deathsPerYear) * YEAR_MS, {
      kind: 'death',
      node: index,
    });
    this.#planOutage(index);
    this.#planRot(index);
  }

  #planOutage(node: number): void {
    const waitMs = this.#outages.waiting(this.#options.outagesPerYear) * YEAR_MS;
    this.#agenda.at(this.nowMs + waitMs, { kind: 'outage', node });
  }

  #planRot(node: number): void {
    const waitMs = this.#rot.waiting(this.#options.rotsPerYear) * YEAR_MS;
    this.#agenda.at(this.nowMs + waitMs, { kind: 'rot', node });
  }

  #die(node: FleetNode): void {
    if (!node.hasDisk) return;
    const wasUp = node.isUp;
    node.hasDisk = false;
    node.isUp = false;
    node.former = [];
    this.tally.deaths += 1;
    this.tally.nodeMs += this.nowMs - node.joinedMs;
    this.damage.close(node);
    this.table.eachOf(node.index, (segment, piece) => {
      if (!this.damage.isThere(segment, piece)) this.#loseCopy(segment, node);
    });
    if (wasUp) this.#silent(node);
    this.#agenda.at(this.nowMs + this.#options.joinAfterMs, { kind: 'join' });
  }

  #goAway(node: FleetNode): void {
    if (!node.hasDisk) return;
    node.isUp = false;
    this.tally.outages += 1;
    this.#silent(node);
    const backMs = this.nowMs + this.#outages.waiting(1) * this.#options.outageMs;
    this.#agenda.at(backMs, { kind: 'return', node: node.index });
  }

  #disaster(): void {
    const present = this.fleet.nodes.filter(({ hasDisk }) => hasDisk);
    const count = Math.round(present.length * this.#options.disaster!.share);
    this.#note('disaster', `${count} of ${present.length} nodes gone within a minute`);
    for (let left = count; left > 0; left--) {
      const [node] = present.splice(this.#lives.below(present.length), 1);
      const timeMs = this.nowMs + this.#lives.below(60_000);
      this.#agenda.at(timeMs, { kind: 'death', node: node!.index });
    }
  }

  #loseCopy(segment: number, last: FleetNode): void {
    const { intact, code } = this.table;
    intact[segment]! -= 1;
    this.tally.intactMin = Math.min(this.tally.intactMin, intact[segment]!);
    if (intact[segment] !== code.k - 1) return;
    this.tally.lost += 1;
    this.#note(
      'lost',
      `segment ${segment}: ${code.k - 1} of ${code.n} pieces left when node ${last.index} went`,
    );
  }

  // ---- Damage that nobody sees --------------------------------------------------------------------------------------

  #strike(node: FleetNode): void {
    if (!node.hasDisk) return;
    this.#planRot(node.index);
    if (this.damage.hasCase(node)) return;
    const hit = this.damage.strike(node, this.#options.rotShare, this.#rot, this.nowMs);
    this.tally.rots += 1;
    this.tally.rotten += hit.length;
    for (const segment of hit) this.#loseCopy(segment, node);
    this.#nextRound({ kind: 'draw', node: node.index });
  }

  #draw(node: FleetNode): void {
    const { audit } = this.#options;
    if (!this.damage.hasCase(node)) return this.damage.close(node);
    const round = Math.floor(this.nowMs / audit.roundMs);
    if (!node.isUp || !this.damage.isDrawn(node, round, audit)) {
      this.#nextRound({ kind: 'draw', node: node.index });
      return;
    }
    const { alive, confirmedS } = this.table;
    const { sinceMs, pieces } = this.damage.admit(node);
    this.tally.rotsFound += 1;
    this.tally.rotHiddenMs += this.nowMs - sinceMs;
    // Of a node that counts as lost all pieces are missing already.
    for (const [segment] of isLost(node.view) ? [] : pieces) {
      alive[segment]! -= 1;
      confirmedS[segment] = Math.floor(this.nowMs / 1000);
    }
    this.#crew.considerAll(pieces.map(([segment]) => segment));
  }

  // ---- Nodes that join take their share ----------------------------------------------------------------------------

  #settle(): void {
    if (this.#settling === undefined) return;
    this.#settling.begin();
    if (this.#isSettling) return;
    this.#isSettling = true;
    this.#nextRound({ kind: 'settle' });
  }

  #settleOn(): void {
    this.#isSettling = this.#settling!.round((segment, piece, to) => {
      // Whoever takes a piece checks it against its root, so what is damaged does not move.
      if (this.damage.isThere(segment, piece)) return;
      this.table.setHolder(segment, piece, this.fleet.of(to).index);
      this.tally.rebalanced += 1;
      this.tally.rebalancedBytes += this.#pieceLength;
    });
    if (this.#isSettling) this.#nextRound({ kind: 'settle' });
  }

  #nextRound(event: ForecastEvent): void {
    const { roundMs } = this.#options.audit;
    this.#agenda.at((Math.floor(this.nowMs / roundMs) + 1) * roundMs, event);
  }

  // ---- What the chain learns ---------------------------------------------------------------------------------------

  #silent(node: FleetNode): void {
    this.#crew.leadDown(node);
    if (node.isWatched) return;
    node.isWatched = true;
    this.#nextAudit(node);
  }

  #nextAudit(node: FleetNode): void {
    this.#nextRound({ kind: 'audit', node: node.index });
  }

  #audit(node: FleetNode): void {
    const { audit } = this.#options;
    // Whoever has nothing is asked nothing. But one that was silent, and whose pieces others have by now, is not taken to be back for that.
    const isAsked = node.audits.silentRounds > 0 || this.table.holders.includes(node.index);
    const asked = isAsked ? audit.leaves : 0;
    const finding = { asked, failed: node.isUp ? 0 : asked, heldKib: 0 };
    const before = node.view;
    const view = judge(node, Math.floor(this.nowMs / audit.roundMs), finding, audit);
    if (view !== before) this.#changeView(node, before, view);
    node.isWatched = view !== 'gone' && !(node.isUp && view === 'healthy');
    if (node.isWatched) this.#nextAudit(node);
  }

  #changeView(node: FleetNode, before: Standing, view: Standing): void {
    const { alive, confirmedS, code } = this.table;
    this.fleet.show(node, view);
    if (view === 'gone') return this.#die(node);
    const shift = Number(isLost(before)) - Number(isLost(view));
    if (isLost(view)) this.#noteLoss();
    const affected: number[] = [];
    this.table.eachOf(node.index, (segment, piece) => {
      if (this.damage.isKnown(segment, piece)) return;
      alive[segment]! += shift;
      if (shift < 0) confirmedS[segment] = Math.floor(this.nowMs / 1000);
      if (shift !== 0 || alive[segment]! < code.n) affected.push(segment);
    });
    this.#crew.considerAll(affected);
    if (view === 'healthy') this.#crew.returned(node);
  }

  #noteLoss(): void {
    const wasStorm = this.#limiter.isStorm(this.nowMs);
    this.#limiter.lost(this.nowMs, this.fleet.members.length);
    if (wasStorm || !this.#limiter.isStorm(this.nowMs)) return;
    this.tally.storms += 1;
    this.#note('storm', 'many nodes lost at once: for a while only the thinnest segments are repaired');
  }

  #note(kind: 'lost' | 'storm' | 'disaster', text: string): void {
    this.tally.note({ day: this.nowMs / DAY_MS, kind, text });
  }
}

function isLost(view: Standing): boolean {
  return view === 'lost' || view === 'gone';
}
