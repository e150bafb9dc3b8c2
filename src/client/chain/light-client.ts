// A client's view of the chain: headers that it verified one from the other, beginning with the founding document or with a header that
// somebody it trusts told it. It follows by long steps where it can, by bisection where the validators have changed too much, and
// compares what several nodes say.
//
// Invariants
//   What is known of a height never changes: another block of it that would also be believed is an attack, and ends everything.
//   The newest height never goes back.

import { equal } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { Digest, NetworkId, NodeId } from '../../base/ids.ts';
import {
  CLOCK_DRIFT_MS,
  FOUNDING_LENGTH_MAX,
  LIGHT_BLOCK_LENGTH_MAX,
  LIGHT_KEPT_MAX,
  LIGHT_REQUESTS_MAX,
  PROVIDERS_ASKED_MAX,
  TRUST_PERIOD_MS,
  TRUST_SAVE_MS,
} from '../../base/limits.ts';
import type { Clock, Verify } from '../../base/ports.ts';
import { CHAIN_SERVICES, encodeHeight, encodeNothing } from '../../shards/chain-messages.ts';
import { decodeLightBlock, type LightBlock } from '../../shards/light-block.ts';
import { foundingTrust } from './founding-trust.ts';
import {
  checkLightBlock,
  isConflict,
  isExpired,
  type LightRules,
  type Trusted,
  trustedOf,
  verifyLight,
} from './light-checks.ts';
import { askHeads, type Freshness } from './heads.ts';
import { type Answered, judged, Lie, type Providers } from './providers.ts';
import { decodeTrust, encodeTrust, type SavedTrust, type TrustStore } from './trust.ts';
import { LightClientAttack, TrustExpired, TrustTooFar } from './trust-lost.ts';

export interface LightPorts {
  readonly clock: Clock;
  readonly verify: Verify;
  readonly sha256: Sha256;
  readonly trust: TrustStore;
}

/** A block that people vouch for, instead of the founding document: for whoever comes, or comes back, later than the trust period. */
export interface TrustedBlock {
  readonly height: number;
  readonly id: Digest;
}

export interface LightOptions {
  readonly network: NetworkId;
  readonly trust?: TrustedBlock;
  /** Where absent, two thirds of the time that the founding document gives evidence. */
  readonly trustPeriodMs?: number;
  readonly clockDriftMs?: number;
  /** How many nodes say what the newest header is; `few` where absent. */
  readonly freshness?: Freshness;
}

/** What is known of a height. There is no light block of height 0. */
interface Known {
  readonly trusted: Trusted;
  readonly light: LightBlock | undefined;
}

export class LightClient {
  readonly providers: Providers;
  readonly #ports: LightPorts;
  readonly #options: LightOptions;
  /** Ascending by height. */
  #known: readonly Known[] = [];
  #trustPeriodMs = TRUST_PERIOD_MS;
  #started: Promise<void> | undefined;
  #attack: LightClientAttack | undefined;
  #savedAtMs = Number.NEGATIVE_INFINITY;
  #saving: Promise<void> = Promise.resolve();
  /** Light blocks asked for so far: for measurements. */
  requests = 0;

  constructor(ports: LightPorts, providers: Providers, options: LightOptions) {
    this.#ports = ports;
    this.providers = providers;
    this.#options = options;
  }

  // ---- Asking ------------------------------------------------------------------------------------------------

  /**
   * The newest header that can be had, never below one that was given before. Several nodes are asked, and must not contradict each other.
   * Throws UNREACHABLE, ABORTED, PROTOCOL, TrustExpired, LightClientAttack.
   */
  async head(
    signal?: AbortSignal,
    freshness: Freshness = this.#options.freshness ?? 'few',
  ): Promise<LightBlock> {
    await this.start(signal);
    const ask = (node: NodeId): Promise<LightBlock> =>
      this.#ask(node, CHAIN_SERVICES.head, encodeNothing(), signal);
    let failure: StoreError | undefined;
    for (let left = PROVIDERS_ASKED_MAX; left > 0; left--) {
      const heads = await askHeads(this.providers, this.#ports.clock, ask, freshness, this.newest.validators);
      const settled = await this.#settle(heads, signal);
      if (settled.isDone) return this.#newestLight();
      failure = settled.failure;
      // Each of them lied or failed on the way. The liars are not asked again; when nobody is left, `askHeads` says so.
    }
    throw failure ?? new StoreError('UNREACHABLE', 'no node could lead to the header that it showed');
  }

  #newestLight(): LightBlock {
    const { trusted, light } = this.#known.at(-1)!;
    if (isExpired(this.#rules(), trusted)) throw new TrustExpired(trusted);
    return light!;
  }

  /** Verifies the highest head that holds, and that the others are of the same chain. */
  async #settle(
    heads: readonly Answered<LightBlock>[],
    signal?: AbortSignal,
  ): Promise<{ readonly isDone: boolean; readonly failure: StoreError | undefined }> {
    let best: Answered<LightBlock> | undefined;
    let failure: StoreError | undefined;
    for (const head of heads.toSorted((a, b) => b.value.header.height - a.value.header.height)) {
      try {
        if (best === undefined) await this.follow(head.value, head.node, signal);
        else await this.#compare(best, head, signal);
        best ??= head;
      } catch (error) {
        if (!this.providers.isLie(head.node, error)) failure = this.providers.failure(head.node, error);
      }
    }
    return { isDone: best !== undefined, failure };
  }

  /** The verified light block of a height, which may be below the newest. Throws as `head` does, and NOT_FOUND. */
  async at(height: number, signal?: AbortSignal): Promise<LightBlock> {
    await this.start(signal);
    const known = this.#at(height)?.light;
    if (known !== undefined) return known;
    const { value } = await this.providers.first(`light block ${height}`, async (node) => {
      const light = await this.#lightOf(node, height, signal);
      await this.follow(light, node, signal);
      return light;
    });
    return value;
  }

  /**
   * Verifies a light block that `node` showed; what it needs on the way is asked of that node. Throws Lie when the block is none of this
   * chain, LightClientAttack, and what asking throws.
   */
  async follow(light: LightBlock, node: NodeId, signal?: AbortSignal): Promise<void> {
    await this.start(signal);
    const { height } = light.header;
    const known = this.#at(height);
    if (known !== undefined && equal(known.trusted.id, light.id)) return;
    if (known !== undefined) return this.#contradict(known, light, node, signal);
    const below = this.#known.findLast(({ trusted }) => trusted.height < height);
    if (below === undefined) return this.#descend(light, node, signal);
    const way = await this.#reach(below.trusted, light, node, signal);
    for (const each of way) this.#keep(each);
  }

  get newest(): Trusted {
    const newest = this.#known.at(-1);
    if (newest === undefined)
      throw new StoreError('INTERNAL', 'a light client is asked before it has started');
    return newest.trusted;
  }

  /** Resolves when what is trusted has been written down, as far as that works. */
  async flush(): Promise<void> {
    this.#save(true);
    await this.#saving;
  }

  // ---- Going from header to header ----------------------------------------------------------------------------

  /** Light blocks that lead from `trusted` to `target`, which is the last of them. */
  async #reach(
    trusted: Trusted,
    target: LightBlock,
    node: NodeId,
    signal?: AbortSignal,
  ): Promise<LightBlock[]> {
    const rules = this.#rules();
    const way: LightBlock[] = [];
    /** The nearest last; what is reached is taken off. */
    const pending = [target];
    let from = trusted;
    for (let left = LIGHT_REQUESTS_MAX; left > 0; ) {
      const next = pending.at(-1);
      if (next === undefined) return way;
      if (isExpired(rules, from)) throw new TrustExpired(from);
      const problem = verifyLight(rules, from, next);
      if (problem === undefined) {
        way.push(pending.pop()!);
        from = trustedOf(next);
      } else if (problem === 'too-far') {
        left--;
        pending.push(await this.#lightOf(node, middleOf(from.height, next.header.height), signal));
      } else throw this.#refusal(next, problem);
    }
    for (const each of way) this.#keep(each);
    throw new TrustTooFar(target.header.height);
  }

  /** A block below all that is known, by the ids of parents. */
  async #descend(light: LightBlock, node: NodeId, signal?: AbortSignal): Promise<void> {
    const lowest = this.#known[0]!;
    const { height } = light.header;
    if (lowest.light === undefined || lowest.trusted.height - height > LIGHT_KEPT_MAX) {
      throw new StoreError('NOT_FOUND', `height ${height} is below what this client trusts`);
    }
    let above = lowest.light;
    const way: LightBlock[] = [];
    for (let at = above.header.height - 1; at >= height; at--) {
      const next = at === height ? light : await this.#lightOf(node, at, signal);
      const problem = equal(next.id, above.header.parent) ? checkLightBlock(this.#rules(), next) : 'wrong-id';
      if (problem !== undefined) throw this.#refusal(next, problem);
      way.push(next);
      above = next;
    }
    for (const each of way) this.#keep(each);
  }

  /** Another block of a height that is known: a lie, unless it would have been believed as well. */
  async #contradict(known: Known, other: LightBlock, node: NodeId, signal?: AbortSignal): Promise<never> {
    if (known.light !== undefined && isConflict(this.#rules(), known.trusted, other))
      this.#stop(known.light, other);
    const below = this.#known.findLast(({ trusted }) => trusted.height < known.trusted.height);
    if (below === undefined || known.light === undefined)
      throw new Lie(`another block of height ${known.trusted.height}`);
    await this.#reach(below.trusted, other, node, signal);
    return this.#stop(known.light, other);
  }

  /** Whether what a second node shows is of the chain that the first one shows, which is as high or higher. */
  async #compare(
    best: Answered<LightBlock>,
    other: Answered<LightBlock>,
    signal?: AbortSignal,
  ): Promise<void> {
    const { height } = other.value.header;
    const { header, id } = best.value;
    if (equal(other.value.id, id)) return;
    if (height === header.height - 1 && equal(header.parent, other.value.id)) return;
    if (this.#at(height) === undefined) {
      // So far behind that it says nothing about what is newer.
      if (height < this.#known[0]!.trusted.height) return;
      try {
        await this.follow(await this.#lightOf(best.node, height, signal), best.node, signal);
      } catch (error) {
        if (!this.providers.isLie(best.node, error)) this.providers.failure(best.node, error);
        return;
      }
    }
    await this.follow(other.value, other.node, signal);
  }

  #refusal(light: LightBlock, problem: string): Error {
    const { height, timeMs } = light.header;
    if (problem !== 'from-the-future') return new Lie(`light block ${height}: ${problem}`);
    return new StoreError(
      'PROTOCOL',
      `block ${height} is of ${new Date(timeMs).toISOString()}, ahead of the clock`,
      {
        next: 'Set the clock of this machine.',
      },
    );
  }

  #rules(): LightRules {
    const { verify, sha256, clock } = this.#ports;
    const { network, clockDriftMs = CLOCK_DRIFT_MS, trustPeriodMs = this.#trustPeriodMs } = this.#options;
    return { network, verify, sha256, nowMs: clock.now(), trustPeriodMs, clockDriftMs };
  }

  #lightOf(node: NodeId, height: number, signal?: AbortSignal): Promise<LightBlock> {
    return this.#ask(node, CHAIN_SERVICES.light, encodeHeight(height), signal, height);
  }

  async #ask(
    node: NodeId,
    service: string,
    header: Uint8Array,
    signal: AbortSignal | undefined,
    height?: number,
  ): Promise<LightBlock> {
    this.requests++;
    const body = await this.providers.ask(node, {
      service,
      header,
      maxBodyLength: LIGHT_BLOCK_LENGTH_MAX,
      signal,
    });
    return judged(() => {
      const light = decodeLightBlock(body, this.#ports.sha256);
      if (height !== undefined && light.header.height !== height)
        throw new Lie(`not the light block of height ${height}`);
      return light;
    });
  }

  // ---- What is known -------------------------------------------------------------------------------------------

  #at(height: number): Known | undefined {
    return this.#known.find(({ trusted }) => trusted.height === height);
  }

  #keep(light: LightBlock): void {
    const known = this.#at(light.header.height);
    if (known !== undefined) {
      if (equal(known.trusted.id, light.id)) return;
      // Two ways that were gone at the same time have led to two blocks.
      this.#stop(known.light ?? light, light);
    }
    const all = [...this.#known, { trusted: trustedOf(light), light }];
    all.sort((a, b) => a.trusted.height - b.trusted.height);
    this.#known = all.slice(-LIGHT_KEPT_MAX);
    this.#save(false);
  }

  #stop(trusted: LightBlock, other: LightBlock): never {
    this.#attack ??= new LightClientAttack(trusted, other);
    this.#save(true);
    throw this.#attack;
  }

  /** In the background: what is not written down is asked for again. */
  #save(isNow: boolean): void {
    const light = this.#known.at(-1)?.light;
    const now = this.#ports.clock.monotonic();
    if (light === undefined || (!isNow && now - this.#savedAtMs < TRUST_SAVE_MS)) return;
    this.#savedAtMs = now;
    const { network } = this.#options;
    const attack = this.#attack?.blocks;
    const bytes = encodeTrust({ network, trustPeriodMs: this.#trustPeriodMs, light, attack });
    this.#saving = this.#saving.then(() => this.#ports.trust.save(bytes)).catch(() => undefined);
  }

  // ---- Beginning -----------------------------------------------------------------------------------------------

  /** Finds out where trust begins. The other functions do so when needed. */
  async start(signal?: AbortSignal): Promise<void> {
    for (;;) {
      if (this.#attack !== undefined) throw this.#attack;
      this.#started ??= this.#begin(signal).catch((error: unknown) => {
        this.#started = undefined;
        throw error;
      });
      try {
        await this.#started;
        return;
      } catch (error) {
        // Somebody else began, and gave up.
        const isOthers = error instanceof StoreError && error.code === 'ABORTED' && signal?.aborted !== true;
        if (!isOthers) throw error;
      }
    }
  }

  async #begin(signal: AbortSignal | undefined): Promise<void> {
    const { network, trust } = this.#options;
    const saved = await this.#load();
    if (saved !== undefined) {
      this.#trustPeriodMs = saved.trustPeriodMs;
      const trusted = trustedOf(saved.light);
      if (saved.attack !== undefined && !(trust !== undefined && trust.height > trusted.height)) {
        this.#attack = new LightClientAttack(...saved.attack);
        throw this.#attack;
      }
      const isEnough = trust === undefined || trust.height <= trusted.height;
      if (isEnough && !isExpired(this.#rules(), trusted)) {
        this.#known = [{ trusted, light: saved.light }];
        return;
      }
      if (trust === undefined) throw new TrustExpired(trusted);
    }
    if (trust !== undefined) return this.#beginWith(trust, signal);
    const { verify, sha256 } = this.#ports;
    const question = {
      service: CHAIN_SERVICES.founding,
      header: encodeNothing(),
      maxBodyLength: FOUNDING_LENGTH_MAX,
    };
    const { value } = await this.providers.first('founding document', async (node) => {
      const bytes = await this.providers.ask(node, { ...question, signal });
      return judged(() => foundingTrust(bytes, network, verify, sha256));
    });
    this.#trustPeriodMs = value.trustPeriodMs;
    if (isExpired(this.#rules(), value.trusted)) throw new TrustExpired(value.trusted);
    this.#known = [{ trusted: value.trusted, light: undefined }];
  }

  async #beginWith({ height, id }: TrustedBlock, signal: AbortSignal | undefined): Promise<void> {
    const { value: light } = await this.providers.first(`trusted block ${height}`, async (node) => {
      const found = await this.#lightOf(node, height, signal);
      const problem = equal(found.id, id) ? checkLightBlock(this.#rules(), found) : 'wrong-id';
      if (problem !== undefined) throw this.#refusal(found, problem);
      return found;
    });
    const trusted = trustedOf(light);
    if (isExpired(this.#rules(), trusted)) throw new TrustExpired(trusted);
    this.#known = [{ trusted, light }];
  }

  /** What cannot be read is as good as nothing: trust then begins anew. */
  async #load(): Promise<SavedTrust | undefined> {
    try {
      const bytes = await this.#ports.trust.load();
      return bytes === undefined ? undefined : decodeTrust(bytes, this.#options.network, this.#ports.sha256);
    } catch (error) {
      if (error instanceof StoreError && error.code !== 'WRONG_NETWORK') return undefined;
      throw error;
    }
  }
}

function middleOf(low: number, high: number): number {
  return low + Math.floor((high - low) / 2);
}
