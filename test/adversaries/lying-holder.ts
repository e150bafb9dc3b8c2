// A holder that answers politely with the wrong thing.

import type { Reply } from '../../src/base/ports.ts';
import { SERVICES } from '../../src/replication/messages.ts';
import type { MemoryNode } from '../../src/runtime/memory-network.ts';

/** Flips a bit of everything it serves. */
export function servesWrongBytes(node: MemoryNode): void {
  node.faults.lie = (service, reply) =>
    isContent(service) ? { ...reply, body: flipped(reply.body) } : reply;
}

/** Serves everything a few bytes short. */
export function servesTooLittle(node: MemoryNode): void {
  node.faults.lie = (service, reply) =>
    isContent(service) ? { ...reply, body: reply.body.slice(0, Math.max(0, reply.body.length - 64)) } : reply;
}

/** Goes on and on: many times the bytes that were asked for. */
export function servesWithoutEnd(node: MemoryNode): void {
  node.faults.lie = (service, reply) =>
    isContent(service) ? { ...reply, body: new Uint8Array(64 * 1024 * 1024) } : reply;
}

/** Answers in no known language. */
export function speaksGarbage(node: MemoryNode): void {
  node.faults.lie = (_service, reply) => ({
    header: new Uint8Array([0xff, 0, 1, 2]),
    body: flipped(reply.body),
  });
}

/** Takes pieces and records, and confirms with somebody else's signature. */
export function confirmsFalsely(node: MemoryNode): void {
  node.faults.lie = (service, reply) =>
    service === SERVICES.putPiece || service === SERVICES.putRecord
      ? { ...reply, header: flippedLast(reply) }
      : reply;
}

function isContent(service: string): boolean {
  return service === SERVICES.getPiece || service === SERVICES.getRecord;
}

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  if (copy.length > 0) copy[copy.length >> 1]! ^= 1;
  return copy;
}

function flippedLast({ header }: Reply): Uint8Array {
  const copy = header.slice();
  copy[copy.length - 1]! ^= 1;
  return copy;
}
