// Who watches a simulation: the checks always, the story when somebody wants to read it. Watching changes nothing.

import type { StoreError } from '../../src/base/errors.ts';
import type { Evidence, Input, Message, Proposal, Vote } from '../../src/consensus/types.ts';
import type { Decision } from '../../src/node/validator/host-ports.ts';

export interface Observer {
  started(process: number): void;
  crashed(process: number, isPowerCut: boolean): void;
  /** It stopped by itself because of the error. */
  exited(process: number, error: StoreError): void;
  /** A fault of the scenario. */
  fault(text: string): void;
  /** An honest process's engine was told something. */
  applied(process: number, input: Input): void;
  /** An honest process's key has signed, and the signature may leave. */
  signed(process: number, message: Proposal | Vote): void;
  /** Once for a broadcast, and for each frame to one. */
  sent(process: number, message: Message): void;
  decided(process: number, height: number, decision: Decision): void;
  evidence(process: number, evidence: Evidence): void;
  /** An honest process believes that a second copy of its key is at work. */
  foreignSignature(process: number, message: Proposal | Vote): void;
  refused(process: number, text: string): void;
}

/** Tells all of them, in order. */
export function observers(all: readonly Observer[]): Observer {
  return {
    started: (process) => all.forEach((each) => each.started(process)),
    crashed: (process, isPowerCut) => all.forEach((each) => each.crashed(process, isPowerCut)),
    exited: (process, error) => all.forEach((each) => each.exited(process, error)),
    fault: (text) => all.forEach((each) => each.fault(text)),
    applied: (process, input) => all.forEach((each) => each.applied(process, input)),
    signed: (process, message) => all.forEach((each) => each.signed(process, message)),
    sent: (process, message) => all.forEach((each) => each.sent(process, message)),
    decided: (process, height, decision) => all.forEach((each) => each.decided(process, height, decision)),
    evidence: (process, evidence) => all.forEach((each) => each.evidence(process, evidence)),
    foreignSignature: (process, message) => all.forEach((each) => each.foreignSignature(process, message)),
    refused: (process, text) => all.forEach((each) => each.refused(process, text)),
  };
}
