// Peers that are no members by the record in force and may know a newer one: after a long sleep, or before a new node's chain is here, all
// members that this node knows may be gone. What guides say is proven by the chain or worth nothing, so anybody may be one.
//
// Invariants: at most GUIDES_MAX strangers, taken up one per STRANGER_INTERVAL_MS, for they cost nothing to make; they do not take
// the places of those that an address of the configuration led to.

import { equal, toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { NodeId } from '../base/ids.ts';
import { GUIDES_MAX, STRANGER_INTERVAL_MS } from '../base/limits.ts';
import type { Clock } from '../base/ports.ts';
import { type AddressBook, peekNodeRecord } from './address-book.ts';
import type { Membership } from './membership.ts';

export interface GuidePorts {
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly membership: Pick<Membership, 'member'>;
  readonly book: Pick<AddressBook, 'introduce'>;
}

export class Guides {
  readonly #ports: GuidePorts;
  readonly #configured: Map<string, NodeId> = new Map();
  readonly #strangers: Map<string, { readonly node: NodeId; readonly end: () => void }> = new Map();
  #strangersFromMs = 0;

  constructor(ports: GuidePorts) {
    this.#ports = ports;
  }

  list(): readonly NodeId[] {
    const { membership } = this.#ports;
    const all = [...this.#configured.values(), ...[...this.#strangers.values()].map(({ node }) => node)];
    return all.filter((node) => membership.member(node) === undefined);
  }

  /** An address of the configuration led to this peer. */
  found(node: NodeId): void {
    this.#configured.delete(toHex(node));
    this.#configured.set(toHex(node), node);
    if (this.#configured.size > GUIDES_MAX) this.#configured.delete(this.#configured.keys().next().value!);
  }

  /** A peer that is no member claims a newer epoch; `nodeRecord` is what it says of itself. Throws like `AddressBook.introduce`. */
  claims(node: NodeId, nodeRecord: Uint8Array): void {
    const nowMs = this.#ports.clock.monotonic();
    if (nowMs < this.#strangersFromMs || nodeRecord.length === 0) return;
    if (!equal(peekNodeRecord(nodeRecord).node, node)) {
      throw new StoreError('PROTOCOL', 'a node greets with the record of another');
    }
    this.#strangersFromMs = nowMs + STRANGER_INTERVAL_MS;
    const end = this.#ports.book.introduce(nodeRecord);
    this.#strangers.delete(toHex(node));
    this.#strangers.set(toHex(node), { node, end });
    const [oldest, { end: endOldest }] = this.#strangers.entries().next().value!;
    if (this.#strangers.size <= GUIDES_MAX) return;
    this.#strangers.delete(oldest);
    endOldest();
  }
}
