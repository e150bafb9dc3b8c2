// May these bytes be stored here? Asked after the header and before the body, cheapest question first, so that neither
// a forger nor an honest client of a full node sends a piece in vain.

import { short, toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import type { NodeId, ObjectId, OwnerId, Signature } from '../base/ids.ts';
import type { LogUsage } from '../base/ports.ts';
import { objectIdOf } from '../replication/object.ts';
import { type PutClaim, verifyPut } from '../replication/ticket.ts';
import type { KeeperOptions, KeeperPorts } from './keeper-ports.ts';

/** What put-piece and put-record requests have in common. */
export interface TicketedPut {
  readonly owner: OwnerId;
  readonly objectSalt: Uint8Array;
  readonly lengthBytes: number;
  readonly expiresAtMs: number;
  readonly ticket: Signature;
}

/**
 * Throws PROTOCOL (the body has another length than the ticket), UNAUTHORIZED (owner not served here, ticket expired or
 * not good for this), FULL, DISK or CLOSED (the log takes nothing now).
 */
export function checkPut(
  ports: KeeperPorts,
  options: KeeperOptions,
  put: TicketedPut,
  bodyLength: number,
  about: Pick<PutClaim, 'place' | 'content'>,
): void {
  if (bodyLength !== put.lengthBytes) {
    throw new StoreError('PROTOCOL', `the body has ${bodyLength} bytes, the ticket ${put.lengthBytes}`);
  }
  if (options.allowedOwners !== undefined && !options.allowedOwners.has(toHex(put.owner))) {
    throw new StoreError('UNAUTHORIZED', `this node does not store for owner ${short(put.owner)}`, {
      next: 'ask its operator to add the owner to allowedOwners, or store elsewhere',
    });
  }
  if (put.expiresAtMs <= ports.clock.now()) {
    throw new StoreError('UNAUTHORIZED', 'the put ticket has expired', {
      next: 'compare the clocks of both machines; a ticket is good for a day',
    });
  }
  checkRoom(ports.log.usage(), put.lengthBytes);
  const claim: PutClaim = {
    network: options.network,
    node: ports.signer.publicKey as NodeId,
    object: objectOf(options, put),
    lengthBytes: put.lengthBytes,
    expiresAtMs: put.expiresAtMs,
    ...about,
  };
  if (!verifyPut(claim, put.owner, put.ticket, ports.verify)) {
    throw new StoreError('UNAUTHORIZED', `the put ticket is not owner ${short(put.owner)}'s word for this`);
  }
}

/** The object that a put names by its owner and salt. */
export function objectOf(options: KeeperOptions, put: Pick<TicketedPut, 'owner' | 'objectSalt'>): ObjectId {
  return objectIdOf(options.network, put.owner, put.objectSalt);
}

function checkRoom(usage: LogUsage, lengthBytes: number): void {
  if (usage.state === 'closed') throw new StoreError('CLOSED', 'this node is shutting down');
  if (usage.state === 'failed')
    throw new StoreError('DISK', 'the disk of this node failed: it only serves reads');
  // A log is full for the last entry it refused, which says nothing of a shorter one.
  const isTooLong = usage.state === 'full' && lengthBytes > roomOf(usage);
  if (isTooLong || usage.liveBytes + lengthBytes > usage.quotaBytes) {
    throw new StoreError('FULL', 'this node takes no more pieces');
  }
}

/** Bytes that the log can take before it has cleared away anything. What it needs beside the payload it asks for itself. */
function roomOf({ quotaBytes, logBytes, freeBytes, reserveBytes }: LogUsage): number {
  return Math.min(quotaBytes - logBytes, freeBytes - reserveBytes);
}
