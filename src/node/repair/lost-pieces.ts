// Pieces that others have lost: this node looks at everything that lost holders should have, and makes again what falls to it, the riskiest segments first.
//
//     standings -> lost holders -> their places -> queue by risk -> own share -> rebuild, confirm -> transaction
//
// Nothing is remembered across a start, nor has to be: the records say who is lost and what is missing. All queues are bounded; what found no room
// is found again. What falls to another in this slot of time waits for the next one (`parked`), in which it may be gone.

import { equal, fromHex, short, toHex } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import type { NodeId, ObjectId } from '../../base/ids.ts';
import {
  REPAIR_QUEUE_MAX,
  REPAIR_RESCAN_SLOTS,
  REPAIR_SCAN_BATCH,
  REPAIR_SLOT_MS,
} from '../../base/limits.ts';
import type { HeldPlace } from '../../proofs/draw.ts';
import type { Place } from '../../proofs/place.ts';
import type { GroupHasher } from '../../replication/blake3.ts';
import { needsRepair, type SegmentHealth } from '../../replication/repair.ts';
import { repairTurn } from '../../replication/repair-lease.ts';
import { RepairQueue, type RepairUrgency } from '../../replication/repair-queue.ts';
import { STORM_RULES, StormLimiter } from '../../replication/repair-storm.ts';
import { type AuditRules, DEFAULT_AUDIT } from '../../shards/audit-rules.ts';
import { isExpired } from '../../shards/object-record.ts';
import type { HoldingsStore, Moved } from '../audit/holdings-store.ts';
import { type HeldSegment, heldSegment } from './held-segment.ts';
import { type Standings, surveyStandings } from './holder-standings.ts';
import { healthOf, ownShare, type RepairView } from './own-share.ts';
import { paced } from './pace.ts';
import { PieceMaker, type PieceMakerPorts } from './piece-maker.ts';
import { showsLeaf } from './probe.ts';
import { type ProvenLoss, ProvenLosses } from './proven-losses.ts';

export interface LostPiecesPorts extends PieceMakerPorts {
  readonly holdings: Pick<HoldingsStore, 'isWhole' | 'piecesOf' | 'holders'>;
  readonly hasher: GroupHasher;
  /** False while the chain here is behind: what it says may be over long ago. */
  readonly isCurrent: () => boolean;
}

type SegmentKey = string;

/** What is not known yet comes first, and is known then. */
const FIRST: RepairUrgency = { margin: 0, sharedRisk: 0, sizeBytes: 0 };

const LOOK_MS = 500;
/** A slot that is shorter than this is over before its transaction is in a block. */
const SLOT_MIN_MS = 1000;

export class LostPieces {
  readonly #ports: LostPiecesPorts;
  readonly #self: NodeId;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #queue = new RepairQueue<SegmentKey>();
  readonly #parked = new Map<SegmentKey, RepairUrgency>();
  readonly #losses = new ProvenLosses();
  readonly #maker: PieceMaker;
  #rules: AuditRules;
  #storm: StormLimiter;
  #standings: Standings | undefined;
  #isSurveyDue = true;
  /** Lost nodes, in hex, whose places are to be looked at, and the one that is being looked at. */
  readonly #toScan = new Map<string, NodeId>();
  #scan: { readonly node: NodeId; readonly places: AsyncGenerator<HeldPlace>; count: number } | undefined;
  #turn = -1;
  #rescanTurn = 0;
  #wake: () => void = () => undefined;

  constructor(ports: LostPiecesPorts, rules: AuditRules) {
    this.#ports = ports;
    this.#self = ports.signer.publicKey as NodeId;
    this.#maker = new PieceMaker(ports, this.#stop.signal);
    this.#rules = rules;
    this.#storm = stormLimiter(rules);
    this.#running = this.#run().catch(() => undefined);
  }

  /** How long one new holder has. */
  get slotMs(): number {
    return Math.min(REPAIR_SLOT_MS, Math.max(SLOT_MIN_MS, this.#rules.roundMs));
  }

  /** Segments that wait. */
  get waiting(): number {
    return this.#queue.size + this.#parked.size;
  }

  // ---- What is heard -----------------------------------------------------------------------------------------

  setRules(rules: AuditRules): void {
    if (rules.roundMs !== this.#rules.roundMs) this.#storm = stormLimiter(rules);
    this.#rules = rules;
  }

  /** Somebody's standing, or who the members are, has changed. */
  standingsChanged(): void {
    this.#isSurveyDue = true;
    this.#wake();
  }

  /** An anchor came onto the chain that this node has signed. */
  proven(losses: readonly ProvenLoss[], round: number): void {
    this.#losses.forgetBefore(round - this.#rules.roundsKept + 1);
    for (const loss of losses) if (!equal(loss.node, this.#self)) this.#losses.add(loss);
    this.#wake();
  }

  /** When a holder is looked at again that could not show something now. */
  get provenDueMs(): number {
    return this.#ports.clock.monotonic() + this.slotMs;
  }

  moved({ lost, gained }: Moved): void {
    for (const { place } of lost) this.#losses.forget(place);
    for (const { node, place } of gained) {
      this.#maker.moved(place);
      const standing = this.#standings?.get(toHex(node));
      if (standing === 'lost' || standing === 'gone') this.#park(keyOf(place), FIRST);
    }
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new StoreError('ABORTED', 'the node stops'));
    this.#wake();
    await this.#running;
  }

  // ---- The loop ----------------------------------------------------------------------------------------------

  async #run(): Promise<never> {
    const { signal } = this.#stop;
    for (;;) {
      signal.throwIfAborted();
      let isBusy = false;
      try {
        isBusy = this.#ports.isCurrent() && this.#ports.holdings.isWhole && (await this.#step());
      } catch (error) {
        signal.throwIfAborted();
        this.#failed(error, 'repair could not go on: it is tried again');
        await this.#ports.clock.sleep(LOOK_MS, signal);
      }
      if (!isBusy) await this.#rest();
    }
  }

  /** True when there may be more to do at once. */
  async #step(): Promise<boolean> {
    this.#beginTurn();
    if (this.#isSurveyDue) await this.#survey();
    await this.#maker.settleMoved(this.#view());
    await this.#look();
    const isScanning = await this.#scanStep();
    const entry = this.#queue.take();
    if (entry !== undefined) await this.#repair(entry.key);
    // With nothing else to do there is nothing to wait for.
    const isIdle = entry === undefined && !isScanning;
    const nowMs = this.#ports.clock.monotonic();
    await this.#maker.handIn(isIdle ? nowMs + 1 : nowMs - this.slotMs / 4);
    return isScanning || entry !== undefined || this.#isSurveyDue;
  }

  async #rest(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#ports.clock.timer(Math.min(LOOK_MS, this.slotMs / 4), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = () => undefined;
  }

  /** In a new slot others may be the new holders: what was theirs is looked at again. */
  #beginTurn(): void {
    const turn = repairTurn(0, this.#ports.clock.now(), this.slotMs);
    if (turn === this.#turn) return;
    this.#turn = turn;
    for (const [key, urgency] of this.#parked) this.#queue.offer({ key, ...urgency });
    this.#parked.clear();
    if (turn >= this.#rescanTurn) {
      this.#rescanTurn = turn + REPAIR_RESCAN_SLOTS;
      this.#scanAllLost();
    }
  }

  #view(): RepairView {
    return { epoch: this.#ports.epoch(), standings: this.#standings!, losses: this.#losses };
  }

  // ---- Who is lost -------------------------------------------------------------------------------------------

  async #survey(): Promise<void> {
    this.#isSurveyDue = false;
    const { chain, holdings, epoch, clock } = this.#ports;
    const before = this.#standings;
    try {
      this.#standings = await surveyStandings(chain, epoch(), holdings.holders());
    } catch (error) {
      this.#isSurveyDue = true;
      throw error;
    }
    let isWorse = false;
    for (const [text, standing] of this.#standings) {
      const former = before?.get(text) ?? 'healthy';
      if (standing === former) continue;
      isWorse ||= standing !== 'healthy';
      if (!isLost(standing) || isLost(former)) continue;
      const facts = { holder: short(fromHex(text)), standing };
      this.#ports.logger.warn(facts, 'a holder is lost: its pieces are made again elsewhere');
      // Who was lost before this node looked is not part of what happens now.
      if (before !== undefined && this.#storm.lost(clock.monotonic(), epoch().members.length)) {
        this.#ports.logger.warn({}, 'many are lost at once: only what is in danger is made again for now');
      }
    }
    // Also silence alone makes a segment urgent that another node's loss left in want.
    if (isWorse) this.#scanAllLost();
  }

  #scanAllLost(): void {
    for (const [text, standing] of this.#standings ?? []) {
      if (isLost(standing)) this.#toScan.set(text, fromHex(text) as NodeId);
    }
  }

  /** True when there is more to look at. */
  async #scanStep(): Promise<boolean> {
    if (this.#scan === undefined) {
      const next = this.#toScan.entries().next().value;
      if (next === undefined) return false;
      const [text, node] = next;
      this.#toScan.delete(text);
      this.#scan = { node, places: this.#ports.holdings.piecesOf(node), count: 0 };
    }
    const scan = this.#scan;
    await paced(this.#ports.clock, true, this.#stop.signal, async () => {
      for (let count = 0; count < REPAIR_SCAN_BATCH && this.#scan !== undefined; count++) {
        const { value, done } = await scan.places.next();
        if (done === true) this.#scan = undefined;
        else await this.#consider(value.place, ++scan.count);
      }
    }).catch((error: unknown) => {
      this.#scan = undefined;
      throw error;
    });
    return this.#scan !== undefined || this.#toScan.size > 0;
  }

  async #consider(place: Place, ofPlaces: number): Promise<void> {
    const held = await heldSegment(this.#ports.chain, place);
    if (held === undefined) return;
    const health = healthOf(held, this.#view());
    if (!needsRepair(health)) return;
    const nowMs = this.#ports.clock.monotonic();
    if (!this.#storm.admits(nowMs, health.margin, this.waiting, ofPlaces)) return;
    const key = keyOf(place);
    if (!this.#parked.has(key)) this.#queue.offer({ key, ...urgencyOf(held, health) });
  }

  // ---- What holders have lost who answer ---------------------------------------------------------------------

  /** Holders that had a turn to get back what they could not show. */
  async #look(): Promise<void> {
    const { clock, chain, logger } = this.#ports;
    const { signal } = this.#stop;
    for (const loss of this.#losses.due(clock.monotonic())) {
      const { place, node, leafIndex } = loss;
      const held = await heldSegment(chain, place);
      const holder = held?.holders[place.pieceIndex];
      const isStill = held !== undefined && holder !== undefined && equal(holder, node);
      if (!isStill || (await showsLeaf(this.#ports, held, place.pieceIndex, leafIndex, signal))) {
        this.#losses.forget(place);
        continue;
      }
      this.#losses.confirm(loss);
      const facts = { holder: short(node), ...factsOf(place), by: loss.proof.kind };
      logger.info(facts, 'a holder has lost a piece: it is made again elsewhere');
      await this.#consider(place, 1);
    }
  }

  // ---- Making again ------------------------------------------------------------------------------------------

  #park(key: SegmentKey, urgency: RepairUrgency): void {
    if (this.#parked.size < REPAIR_QUEUE_MAX) this.#parked.set(key, urgency);
  }

  async #repair(key: SegmentKey): Promise<void> {
    const { clock, chain, log } = this.#ports;
    const held = await heldSegment(chain, segmentOf(key));
    if (held === undefined || isExpired(held.record, clock.now())) return;
    const health = healthOf(held, this.#view());
    if (!needsRepair(health)) return;
    this.#park(key, urgencyOf(held, health));
    const share =
      log.usage().state === 'writable' ? ownShare(held, this.#view(), this.#self, this.#turn) : undefined;
    if (share === undefined || this.#maker.isPending({ ...held, pieceIndex: share.pieceIndex })) return;
    try {
      await paced(clock, true, this.#stop.signal, () => this.#maker.make(held, share, 2 * this.slotMs));
    } catch (error) {
      this.#stop.signal.throwIfAborted();
      this.#failed(error, 'a piece that others have lost cannot be made again now');
    }
  }

  #failed(error: unknown, message: string): void {
    const { code, message: reason } = toStoreError(error, 'INTERNAL', 'repair');
    this.#ports.logger.warn({ code, reason }, message);
  }
}

/** Of the network's own measure of time: a storm is a matter of rounds. */
function stormLimiter({ roundMs }: AuditRules): StormLimiter {
  const scaled = (timeMs: number): number => Math.ceil((timeMs * roundMs) / DEFAULT_AUDIT.roundMs);
  const { windowMs, pauseMs } = STORM_RULES;
  return new StormLimiter({ ...STORM_RULES, windowMs: scaled(windowMs), pauseMs: scaled(pauseMs) });
}

function urgencyOf({ lengthBytes, code }: HeldSegment, { margin, sharedRisk }: SegmentHealth): RepairUrgency {
  return { margin, sharedRisk, sizeBytes: lengthBytes * code.n };
}

const isLost = (standing: string): boolean => standing === 'lost' || standing === 'gone';

function keyOf({ object, segmentIndex }: Pick<Place, 'object' | 'segmentIndex'>): SegmentKey {
  return `${toHex(object)}/${segmentIndex}`;
}

function segmentOf(key: SegmentKey): Pick<Place, 'object' | 'segmentIndex'> {
  const [object, segmentIndex] = key.split('/') as [string, string];
  return { object: fromHex(object) as ObjectId, segmentIndex: Number(segmentIndex) };
}

function factsOf({ object, segmentIndex, pieceIndex }: Place): object {
  return { object: short(object), segmentIndex, pieceIndex };
}
