// Gives memory back while a node has nothing to do. After work V8 keeps the pages of young objects for the next ones, 50 MB and more, and a node
// at rest allocates too little for it to look again. Limits by V8's flags would do as well, and make every put and get dearer; a
// collection at rest costs a sixth of a second, once.
//
// A matter of the whole process, so a command does it and the library does not.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_MS = 10_000;
/** CPU of a node at rest between two looks is a quarter of this; of one through which somebody puts small files, one after the other, more. */
const REST_CPU_MS = 400;
/** At rest at so many looks in a row: people put one file after the other. */
const REST_LOOKS = 2;
/** Growth since the last time that is worth it. */
const GROWTH_BYTES: number = 8 * 1024 * 1024;
/** Caches fill again: not more often than this, whatever grows. */
const AGAIN_LOOKS = 6;

export interface MemoryFacts {
  /** CPU since the last look. */
  readonly cpuMs: number;
  readonly residentBytes: number;
}

/** Decides at each look, on what was seen at those before, whether it is time to give memory back. */
export class RestWatch {
  #restLooks = 0;
  #looksSince = AGAIN_LOOKS;
  /** Resident at the look after the last time. */
  #floorBytes: number | undefined = 0;

  isTime({ cpuMs, residentBytes }: MemoryFacts): boolean {
    this.#looksSince += 1;
    this.#floorBytes = Math.min(this.#floorBytes ?? residentBytes, residentBytes);
    this.#restLooks = cpuMs < REST_CPU_MS ? this.#restLooks + 1 : 0;
    const isTime =
      this.#restLooks >= REST_LOOKS &&
      this.#looksSince >= AGAIN_LOOKS &&
      residentBytes >= this.#floorBytes + GROWTH_BYTES;
    if (!isTime) return false;
    this.#looksSince = 0;
    this.#floorBytes = undefined;
    return true;
  }
}

/** Gives back until the returned function is called. Does nothing on a Node that cannot. */
export function giveBackAtRest(): () => void {
  const collect = collector();
  if (collect === undefined) return () => undefined;
  const watch = new RestWatch();
  let before = process.cpuUsage();
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    const facts = { cpuMs: (user + system) / 1000, residentBytes: process.memoryUsage.rss() };
    if (watch.isTime(facts)) collect();
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Undefined where Node has none. V8 hands its collector out to contexts that are made while the flag is set. */
export function collector(): (() => void) | undefined {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('globalThis.gc') as ((how: object) => void) | undefined;
  setFlagsFromString('--no-expose-gc');
  // The last resort is what also gives free pages back to the system.
  return gc && (() => gc({ type: 'major', execution: 'sync', flavor: 'last-resort' }));
}
