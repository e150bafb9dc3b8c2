// Asking nodes about the chain. Nobody is believed, so anybody will do: one node after the other until one gives an answer that holds.
// A node whose answer is false is not asked again; one that failed is asked last for a while, and one that cost much and led nowhere for longer.

import { short, toHex } from '../../base/bytes.ts';
import { StoreError, toStoreError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import {
  CHAIN_ASK_TIMEOUT_MS,
  PROVIDER_BAR_MS,
  PROVIDERS_ASKED_MAX,
  PROVIDERS_REMEMBERED_MAX,
  SET_ASIDE_MS,
} from '../../base/limits.ts';
import type { Clock, Network } from '../../base/ports.ts';
import { TrustLost } from './trust-lost.ts';

export interface ProvidersPorts {
  readonly network: Pick<Network, 'call'>;
  readonly clock: Clock;
}

export interface ProvidersOptions {
  /** Nodes that may be asked, the best first. Called before every question. */
  candidates(): readonly NodeId[];
  /** Told about every node that gave a false answer. */
  onLie?(node: NodeId, reason: string): void;
}

/** An answer that no honest node gives. */
export class Lie extends Error {
  override readonly name = 'Lie';
}

/** What was decoded or checked, or a Lie: bytes that a node sent are its own responsibility. */
export function judged<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof StoreError && !(error instanceof TrustLost)) throw new Lie(error.message);
    throw error;
  }
}

export interface Question {
  readonly service: string;
  readonly header: Uint8Array;
  readonly body?: readonly Uint8Array[];
  readonly maxBodyLength: number;
  /** The node was told to wait so long before it answers. */
  readonly waitMs?: number;
  /** What is left of the time for it, where that is less than for any question. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answered<T> {
  readonly node: NodeId;
  readonly value: T;
}

export class Providers {
  readonly #ports: ProvidersPorts;
  readonly #options: ProvidersOptions;
  readonly #liars = new Set<string>();
  /** Until when each is asked last. */
  readonly #barred = new Map<string, number>();
  /** The same, whatever they answer meanwhile. */
  readonly #setAside = new Map<string, number>();

  constructor(ports: ProvidersPorts, options: ProvidersOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Whom to ask, in this order. `first` comes first if it may be asked at all. */
  order(first?: NodeId): readonly NodeId[] {
    const now = this.#ports.clock.monotonic();
    const honest = this.#options.candidates().filter((node) => !this.#liars.has(toHex(node)));
    const isBarred = (node: NodeId): boolean =>
      (this.#barred.get(toHex(node)) ?? 0) > now || this.isSetAside(node);
    const name = first === undefined ? undefined : toHex(first);
    const isFirst = (node: NodeId): boolean => toHex(node) === name;
    return [
      ...honest.filter((node) => isFirst(node) && !isBarred(node)),
      ...honest.filter((node) => !isFirst(node) && !isBarred(node)),
      ...honest.filter(isBarred),
    ];
  }

  /** The body of the answer. Throws the node's refusal, or UNREACHABLE, TIMEOUT, ABORTED and so on. */
  async ask(node: NodeId, question: Question): Promise<Uint8Array> {
    const { service, header, body, maxBodyLength, waitMs = 0, signal } = question;
    const request = { header, ...(body === undefined ? {} : { body }) };
    const timeoutMs = Math.min(CHAIN_ASK_TIMEOUT_MS, question.timeoutMs ?? CHAIN_ASK_TIMEOUT_MS) + waitMs;
    const options = { maxBodyLength, timeoutMs, ...(signal === undefined ? {} : { signal }) };
    try {
      const reply = await this.#ports.network.call(node, service, request, options);
      this.#barred.delete(toHex(node));
      return reply.body;
    } catch (error) {
      // The node's own refusal says so, and would otherwise pass for the caller's wish.
      if (error instanceof StoreError && error.code === 'ABORTED' && signal?.aborted !== true) {
        throw new StoreError('UNREACHABLE', error.message, { cause: error });
      }
      throw error;
    }
  }

  /**
   * What `ask` gives for the first node for which it neither fails nor finds a Lie. Throws ABORTED, TrustLost, NOT_FOUND when one
   * says so and none has it, PROTOCOL when they lied, UNREACHABLE.
   */
  async first<T>(
    what: string,
    ask: (node: NodeId) => Promise<T>,
    options: { readonly first?: NodeId | undefined; readonly attempts?: number } = {},
  ): Promise<Answered<T>> {
    const { first, attempts = PROVIDERS_ASKED_MAX } = options;
    const failures: StoreError[] = [];
    let lies = 0;
    for (const node of this.order(first).slice(0, attempts)) {
      try {
        return { node, value: await ask(node) };
      } catch (error) {
        if (this.isLie(node, error)) lies++;
        else failures.push(this.failure(node, error));
      }
    }
    throw outcome(what, failures.length === 0 ? Math.max(lies, this.#liars.size) : lies, failures);
  }

  /** Whether `error` came of a false answer; the node is then asked no more. */
  isLie(node: NodeId, error: unknown): boolean {
    if (!(error instanceof Lie)) return false;
    remember(this.#liars, toHex(node));
    this.#options.onLie?.(node, error.message);
    return true;
  }

  /** `error` as it counts against the node. What is no failure of the node is thrown on. */
  failure(node: NodeId, error: unknown): StoreError {
    if (!(error instanceof StoreError) || error instanceof TrustLost || error.code === 'ABORTED') {
      throw toStoreError(error, 'INTERNAL', `asking node ${short(node)}`);
    }
    // Whoever refuses has answered.
    if (error.code !== 'NOT_FOUND') this.bar(node);
    return error;
  }

  bar(node: NodeId): void {
    this.#mark(this.#barred, node, PROVIDER_BAR_MS);
  }

  /** For a node that may be honest, and that nobody should wait for again soon. */
  setAside(node: NodeId): void {
    this.#mark(this.#setAside, node, SET_ASIDE_MS);
  }

  isSetAside(node: NodeId): boolean {
    return (this.#setAside.get(toHex(node)) ?? 0) > this.#ports.clock.monotonic();
  }

  #mark(marks: Map<string, number>, node: NodeId, forMs: number): void {
    const name = toHex(node);
    marks.delete(name);
    if (marks.size >= PROVIDERS_REMEMBERED_MAX) marks.delete([...marks.keys()][0]!);
    marks.set(name, this.#ports.clock.monotonic() + forMs);
  }
}

function remember(names: Set<string>, name: string): void {
  if (names.size >= PROVIDERS_REMEMBERED_MAX) names.delete([...names][0]!);
  names.add(name);
}

function outcome(what: string, lies: number, failures: readonly StoreError[]): StoreError {
  const cause = failures.findLast(({ code }) => code === 'NOT_FOUND') ?? failures.at(-1);
  if (cause?.code === 'NOT_FOUND') return new StoreError('NOT_FOUND', `${what}: ${cause.message}`, { cause });
  if (cause === undefined && lies > 0) {
    return new StoreError(
      'PROTOCOL',
      `${what}: ${lies} nodes gave false answers, and there is no other to ask`,
      {
        next: 'Ask other nodes: add addresses of the network to network.json.',
      },
    );
  }
  const reason = cause === undefined ? 'no node of the network is known' : cause.message;
  return new StoreError('UNREACHABLE', `${what}: ${reason}`, { cause });
}
