// A client's view of the chain: headers that it verified one from the other, beginning with the founding document or with a header that
// somebody it trusts told it. It follows by long steps where it can, by bisection where the validators have changed too much, and
// compares what several nodes say.
//
// Invariants
//   What is known of a height never changes: another block of it that would also be believed is an attack, and ends everything.
//   The newest height never goes back.

import { equal, toHex } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { Digest, NetworkId, NodeId } from '../../base/ids.ts';
import {
  CHAIN_BEGIN_POLL_MS,
  CHAIN_BEGIN_WAIT_MS,
  CLOCK_DRIFT_MS,
  FOUNDING_LENGTH_MAX,
  HEAD_PATIENCE_MS,
  LIGHT_BLOCK_LENGTH_MAX,
  LIGHT_KEPT_MAX,
  LIGHT_REQUESTS_MAX,
  LIGHT_WITNESSES,
  PROVIDERS_ASKED_MAX,
  SET_CHANGES_MAX,
  TRUST_PERIOD_MS,
  TRUST_SAVE_MS,
} from '../../base/limits.ts';
import type { Clock, Verify } from '../../base/ports.ts';
import type { ValidatorSet } from '../../consensus/types.ts';
import { validatorSetDigest } from '../../consensus/validator-set.ts';
import { CHAIN_SERVICES, encodeHeight, encodeNothing } from '../../shards/chain-messages.ts';
import { decodeLightBlock, type LightBlock } from '../../shards/light-block.ts';
import { type FoundingTrust, foundingTrust } from './founding-trust.ts';
import {
  checkLightBlock,
  isAhead,
  isConflict,
  isExpired,
  isWithinStep,
  type LightProblem,
  type LightRules,
  type Trusted,
  trustedOf,
} from './light-checks.ts';
import { askHeads, type Freshness, isQuorumOf } from './heads.ts';
import { NotBegun } from './not-begun.ts';
import { type Answered, judged, Lie, type Providers } from './providers.ts';
import { decodeTrust, encodeTrust, type SavedTrust, type TrustStore } from './trust.ts';
import { LightClientAttack, TrustExpired, TrustLost } from './trust-lost.ts';
import { provenTrustPeriod } from './trust-period.ts';
import { type Allowance, type WayPorts, wayTo } from './way.ts';

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
  /** Where absent, two thirds of the time for which the network takes evidence, as proven state or the founding document says. */
  readonly trustPeriodMs?: number;
  readonly clockDriftMs?: number;
  /** How many nodes say what the newest header is; `few` where absent. */
  readonly freshness?: Freshness;
  /** Told again and again why a call waits for the chain to begin, for whoever shows people what is going on. */
  onWait?(reason: NotBegun): void;
}

export interface BeginOptions {
  /** How long the chain is waited for. */
  readonly patienceMs?: number;
  /** Only where no node shows any block: who can do with few nodes does not wait for the others. */
  readonly isForFirst?: boolean;
}

type Head = Answered<LightBlock>;
/** Runs what a node's head is put to; false when it lied or failed, which is held against it. */
type Attempt = (head: Head, run: () => Promise<void>) => Promise<boolean>;

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
   * Throws NotBegun, UNREACHABLE, TIMEOUT, ABORTED, PROTOCOL, TrustExpired, LightClientAttack.
   */
  async head(
    signal?: AbortSignal,
    freshness: Freshness = this.#options.freshness ?? 'few',
  ): Promise<LightBlock> {
    await this.start(signal);
    const allowance = { requests: LIGHT_REQUESTS_MAX };
    if (freshness === 'few') await this.#look('few', allowance, signal);
    else await this.#lookSurely(allowance, signal);
    return this.#newestLight();
  }

  /** As `head`, of a chain that may have no block yet or whose nodes still fetch it: waits for it, and then throws UNREACHABLE. */
  async headOnceBegun(signal?: AbortSignal, options: BeginOptions = {}): Promise<LightBlock> {
    const { patienceMs = CHAIN_BEGIN_WAIT_MS, isForFirst = false } = options;
    const { clock } = this.#ports;
    const sinceMs = clock.monotonic();
    for (;;) {
      try {
        return await this.head(signal);
      } catch (error) {
        if (!(error instanceof NotBegun)) throw error;
        const isWorth = !isForFirst || error.beginning.withBlocks === 0;
        if (!isWorth || clock.monotonic() - sinceMs >= patienceMs) throw new NotBegun(error.beginning, true);
        this.#options.onWait?.(error);
        await clock.sleep(CHAIN_BEGIN_POLL_MS, signal);
      }
    }
  }

  #newestLight(): LightBlock {
    const { trusted, light } = this.#known.at(-1)!;
    if (isExpired(this.#rules(), trusted)) throw new TrustExpired(trusted);
    return light!;
  }

  /**
   * Whoever decides what comes after the newest header must have been asked: when following shows that others do by now, those are asked too.
   * Validators that nobody can reach any more may have left long ago, so a few nodes of any kind say who took their place.
   */
  async #lookSurely(allowance: Allowance, signal: AbortSignal | undefined): Promise<void> {
    for (let left = SET_CHANGES_MAX; left > 0; left--) {
      const asked = this.newest.validators;
      const isOfAsked = (): boolean => this.#digestOf(asked) === this.#digestOf(this.newest.validators);
      try {
        await this.#look('quorum', allowance, signal);
      } catch (error) {
        if (!isSilence(error)) throw error;
        await this.#look('few', allowance, signal).catch(unlessSilence);
        if (isOfAsked()) throw error;
        continue;
      }
      await this.#crossBorder(allowance, signal);
      if (isOfAsked()) return;
    }
    throw new StoreError('BUSY', 'the validators change faster than they can be asked', {
      next: 'Run it again.',
    });
  }

  #digestOf(set: ValidatorSet): string {
    return toHex(validatorSetDigest(set, this.#ports.sha256));
  }

  /** Above the last header of a set stands the first of the next one, as soon as that has decided something. */
  async #crossBorder(allowance: Allowance, signal: AbortSignal | undefined): Promise<void> {
    const { height, validators, nextValidators } = this.newest;
    if (equal(validatorSetDigest(validators, this.#ports.sha256), nextValidators)) return;
    try {
      await this.providers.first(`light block ${height + 1}`, async (node) =>
        this.#follow(await this.#lightOf(node, height + 1, signal), node, allowance, signal),
      );
    } catch (error) {
      unlessSilence(error);
    }
  }

  /** Asks until a header holds. Goes on as long as there is progress, or nobody has wasted much time. */
  async #look(freshness: Freshness, allowance: Allowance, signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#ports;
    const ask = (node: NodeId): Promise<LightBlock> =>
      this.#ask(node, CHAIN_SERVICES.head, encodeNothing(), signal);
    const set = this.newest.validators;
    const isEnough = (nodes: readonly NodeId[]): boolean =>
      freshness === 'few' ? nodes.length > 0 : isQuorumOf(set, nodes);
    const clocks = new Map<string, boolean>();
    let failure: StoreError | undefined;
    let progress = { height: this.newest.height, atMs: clock.monotonic() };
    for (let left = PROVIDERS_ASKED_MAX; left > 0; left--) {
      const heads = await askHeads(this.providers, clock, ask, freshness, set);
      const hasNews = heads.some(({ node }) => !clocks.has(toHex(node)));
      const timely = this.#timely(heads, clocks, hasNews);
      const settled = await this.#settle(timely, isEnough, allowance, signal);
      if (settled.isDone) return;
      failure = settled.failure ?? failure;
      const { height } = this.newest;
      const isFurther = height > progress.height;
      if (isFurther) progress = { height, atMs: clock.monotonic() };
      if (!isFurther && !hasNews) break;
      if (clock.monotonic() - progress.atMs > HEAD_PATIENCE_MS) break;
      // Each of them lied or failed on the way. The liars are not asked again; when nobody is left, `askHeads` says so.
    }
    throw failure ?? new StoreError('UNREACHABLE', 'no node could lead to the header that it showed');
  }

  /**
   * Heads whose time has come. A node whose header is ahead of the clock is set aside, unless most of those that were asked show such headers:
   * then this machine's clock is wrong. `clocks` says of each node asked so far whether it was ahead.
   */
  #timely(heads: readonly Head[], clocks: Map<string, boolean>, hasNews: boolean): readonly Head[] {
    const rules = this.#rules();
    for (const { node, value } of heads) clocks.set(toHex(node), isAhead(rules, value));
    const ahead = heads.filter(({ value }) => isAhead(rules, value));
    const count = [...clocks.values()].filter((isOne) => isOne).length;
    const isMost = ahead.length > 0 && 2 * count > clocks.size;
    // One that answered before all others is not most of them.
    if (isMost && (heads.length > LIGHT_WITNESSES || !hasNews))
      throw this.#refusal(ahead[0]!.value, 'from-the-future');
    for (const { node } of ahead) this.providers.setAside(node);
    return isMost ? [] : heads.filter((head) => !ahead.includes(head));
  }

  /** Verifies the highest head that holds, and that the others are of the same chain. Done when enough of the nodes were heard to the end. */
  async #settle(
    heads: readonly Head[],
    isEnough: (nodes: readonly NodeId[]) => boolean,
    allowance: Allowance,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly isDone: boolean; readonly failure: StoreError | undefined }> {
    const heard = new Set<NodeId>();
    let failure: StoreError | undefined;
    const attempt: Attempt = async ({ node }, run) => {
      try {
        await run();
        heard.add(node);
        return true;
      } catch (error) {
        // Of a liar no better answer is to be had.
        if (this.providers.isLie(node, error)) heard.add(node);
        else failure = this.providers.failure(node, error);
        return false;
      }
    };
    const settle = async (some: readonly Head[]): Promise<boolean> => {
      const sorted = some.toSorted((a, b) => b.value.header.height - a.value.header.height);
      const { best, others } = await this.#highest(sorted, attempt, allowance, signal);
      if (best === undefined) return false;
      for (const head of others) await attempt(head, () => this.#compare(best, head, allowance, signal));
      return true;
    };
    // Who has cost too much before is heard only if it does not go without.
    const isAside = ({ node }: Head): boolean => this.providers.isSetAside(node);
    const [aside, trusty] = [heads.filter(isAside), heads.filter((head) => !isAside(head))];
    let isFound = await settle(trusty);
    if (aside.length > 0 && !(isFound && isEnough([...heard]))) isFound = (await settle(aside)) || isFound;
    return { isDone: isFound && isEnough([...heard]), failure };
  }

  /**
   * The highest of `heads`, which descend, that holds; and those that are still to be compared with it. What one step leads to comes first: a
   * forged header of far away is then nothing that others wait for, and all such are followed at the same time.
   */
  async #highest(
    heads: readonly Head[],
    attempt: Attempt,
    allowance: Allowance,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly best: Head | undefined; readonly others: readonly Head[] }> {
    let rest = heads;
    while (rest.length > 0) {
      const head = rest.find(({ value }) => this.#isNear(value)) ?? rest[0]!;
      rest = rest.filter((other) => other !== head);
      if (!(await attempt(head, () => this.#follow(head.value, head.node, allowance, signal)))) continue;
      const { height } = head.value.header;
      const ahead = rest.filter(({ value }) => value.header.height > height);
      const below = rest.filter((other) => !ahead.includes(other));
      const [best, ...others] = await this.#reachable(ahead, attempt, allowance, signal);
      if (best === undefined) return { best: head, others: below };
      for (const light of best.way) this.#keep(light);
      return { best: best.head, others: [...others.map((other) => other.head), head, ...below] };
    }
    return { best: undefined, others: [] };
  }

  /** Those that can be reached from the newest header, with the way. Nothing of it is kept. */
  async #reachable(
    heads: readonly Head[],
    attempt: Attempt,
    allowance: Allowance,
    signal: AbortSignal | undefined,
  ): Promise<readonly { readonly head: Head; readonly way: readonly LightBlock[] }[]> {
    const { newest } = this;
    const reached = await Promise.all(
      heads.map(async (head) => {
        let way: readonly LightBlock[] = [];
        const isReached = await attempt(head, async () => {
          way = await this.#reach(newest, head.value, head.node, allowance, signal);
        });
        return isReached ? { head, way } : undefined;
      }),
    );
    return reached.filter((each) => each !== undefined);
  }

  #isNear(light: LightBlock): boolean {
    const { height } = light.header;
    if (this.#at(height) !== undefined) return true;
    const below = this.#known.findLast(({ trusted }) => trusted.height < height);
    return below !== undefined && isWithinStep(below.trusted, light);
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
    await this.#follow(light, node, { requests: LIGHT_REQUESTS_MAX }, signal);
  }

  async #follow(
    light: LightBlock,
    node: NodeId,
    allowance: Allowance,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { height } = light.header;
    const known = this.#at(height);
    if (known !== undefined && equal(known.trusted.id, light.id)) return;
    if (known !== undefined) return this.#contradict(known, light, node, allowance, signal);
    const below = this.#known.findLast(({ trusted }) => trusted.height < height);
    if (below === undefined) return this.#descend(light, node, signal);
    const way = await this.#reach(below.trusted, light, node, allowance, signal);
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

  /** Light blocks that lead from `trusted` to `target`, which is the last of them. When it is not reached, what was verified is kept. */
  async #reach(
    trusted: Trusted,
    target: LightBlock,
    node: NodeId,
    allowance: Allowance,
    signal: AbortSignal | undefined,
  ): Promise<readonly LightBlock[]> {
    const ports: WayPorts = {
      rules: this.#rules(),
      monotonic: () => this.#ports.clock.monotonic(),
      lightAt: (height, timeoutMs) => this.#lightOf(node, height, signal, timeoutMs),
      refusal: (light, problem) => this.#refusal(light, problem),
      allowance,
    };
    const { blocks, failure, isSpent = false } = await wayTo(ports, trusted, target);
    if (failure === undefined) return blocks;
    for (const light of blocks) this.#keep(light);
    if (isSpent) this.providers.setAside(node);
    throw failure;
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
  async #contradict(
    known: Known,
    other: LightBlock,
    node: NodeId,
    allowance: Allowance,
    signal: AbortSignal | undefined,
  ): Promise<never> {
    if (known.light !== undefined && isConflict(this.#rules(), known.trusted, other))
      this.#stop(known.light, other);
    const below = this.#known.findLast(({ trusted }) => trusted.height < known.trusted.height);
    if (below === undefined || known.light === undefined)
      throw new Lie(`another block of height ${known.trusted.height}`);
    await this.#reach(below.trusted, other, node, allowance, signal);
    return this.#stop(known.light, other);
  }

  /** Whether what a second node shows is of the chain that the first one shows, which is as high or higher. */
  async #compare(
    best: Head,
    other: Head,
    allowance: Allowance,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { height } = other.value.header;
    const { header, id } = best.value;
    if (equal(other.value.id, id)) return;
    if (height === header.height - 1 && equal(header.parent, other.value.id)) return;
    if (this.#at(height) === undefined) {
      // So far behind that it says nothing about what is newer.
      if (height < this.#known[0]!.trusted.height) return;
      try {
        const own = await this.#lightOf(best.node, height, signal);
        await this.#follow(own, best.node, allowance, signal);
      } catch (error) {
        if (!this.providers.isLie(best.node, error)) this.providers.failure(best.node, error);
        return;
      }
    }
    await this.#follow(other.value, other.node, allowance, signal);
  }

  #refusal(light: LightBlock, problem: LightProblem): Error {
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

  #lightOf(node: NodeId, height: number, signal?: AbortSignal, timeoutMs?: number): Promise<LightBlock> {
    return this.#ask(node, CHAIN_SERVICES.light, encodeHeight(height), signal, { height, timeoutMs });
  }

  async #ask(
    node: NodeId,
    service: string,
    header: Uint8Array,
    signal: AbortSignal | undefined,
    { height, timeoutMs }: { readonly height?: number; readonly timeoutMs?: number | undefined } = {},
  ): Promise<LightBlock> {
    this.requests++;
    const body = await this.providers.ask(node, {
      service,
      header,
      maxBodyLength: LIGHT_BLOCK_LENGTH_MAX,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
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
    const { trust } = this.#options;
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
    const { trusted, trustPeriodMs } = await this.#founding(signal);
    this.#trustPeriodMs = trustPeriodMs;
    if (isExpired(this.#rules(), trusted)) throw new TrustExpired(trusted);
    this.#known = [{ trusted, light: undefined }];
  }

  async #founding(signal: AbortSignal | undefined): Promise<FoundingTrust> {
    const { verify, sha256 } = this.#ports;
    const { network } = this.#options;
    const question = {
      service: CHAIN_SERVICES.founding,
      header: encodeNothing(),
      maxBodyLength: FOUNDING_LENGTH_MAX,
    };
    const { value } = await this.providers.first('founding document', async (node) => {
      const bytes = await this.providers.ask(node, { ...question, signal });
      return judged(() => foundingTrust(bytes, network, verify, sha256));
    });
    return value;
  }

  async #beginWith({ height, id }: TrustedBlock, signal: AbortSignal | undefined): Promise<void> {
    const { value: light } = await this.providers.first(`trusted block ${height}`, async (node) => {
      const found = await this.#lightOf(node, height, signal);
      const problem = equal(found.id, id) ? checkLightBlock(this.#rules(), found) : 'wrong-id';
      if (problem !== undefined) throw this.#refusal(found, problem);
      return found;
    });
    if (this.#options.trustPeriodMs === undefined) {
      const proven = await provenTrustPeriod(this.providers, light, this.#ports.sha256, signal);
      this.#trustPeriodMs = proven ?? (await this.#founding(signal)).trustPeriodMs;
    }
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

/** Nobody, or not enough of those who were asked, could be reached or had it: no matter of trust, and not the caller's wish. */
function isSilence(error: unknown): boolean {
  return error instanceof StoreError && !(error instanceof TrustLost) && SILENCE.has(error.code);
}

const SILENCE: ReadonlySet<string> = new Set(['UNREACHABLE', 'TIMEOUT', 'NOT_FOUND', 'BUSY', 'PROTOCOL']);

function unlessSilence(error: unknown): void {
  if (!isSilence(error)) throw error;
}
