// A disk in memory that loses what was not synced. Writes reach the "platter" in sectors and in any order; creations,
// renames and removals are lost unless their folder was synced. A hook sees every operation before it happens and
// may make it fail, tear it, or cut the power: from then on everything fails and `restart` gives what was left.
// A sync that fails does what Linux does: the pages count as clean from then on, can be read, and are never written.

import { basename, dirname } from 'node:path';
import type { DiskSpace, FileStat, Files, OpenFile, OpenMode } from '../../src/runtime/files.ts';

const SECTOR_LENGTH = 512;

export interface DiskOperation {
  readonly kind: 'open' | 'create' | 'read' | 'write' | 'sync' | 'truncate' | 'name' | 'sync-directory';
  readonly path: string;
}

/** Throws to make the operation fail; a number tears a write after so many bytes and then fails it with EIO. */
export type Hook = (operation: DiskOperation) => number | undefined;

/** 0 <= value < 1. */
export type Chance = () => number;

interface Change {
  readonly at: number;
  /** Undefined: the file is cut at `at`. */
  readonly bytes?: Uint8Array;
}

interface Inode {
  bytes: Uint8Array;
  durable: Uint8Array;
  unsynced: Change[];
}

interface NameChange {
  readonly folder: string;
  readonly set: readonly (readonly [string, Inode | undefined])[];
}

class PowerCut extends Error {
  override readonly name = 'PowerCut';
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}

/** Deterministic chance from a seed (mulberry32). */
export function seededChance(seed: number): Chance {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class SimulatedDisk implements Files {
  hook: Hook = () => undefined;
  /** Told when a folder is removed with all it holds. */
  onRemoveTree: (path: string) => void = () => undefined;
  freeBytes = 1e12;
  operations = 0;
  openFiles = 0;
  isDead = false;
  #names: Map<string, Inode> = new Map();
  #durableNames: Map<string, Inode> = new Map();
  #unsyncedNames: NameChange[] = [];

  /** Nothing works any more. */
  cut(): never {
    this.isDead = true;
    throw new PowerCut('power cut');
  }

  /** What the next process finds. Lock files are gone: their owner is this very process, which "died". */
  restart(chance: Chance, losesUnsynced: boolean): SimulatedDisk {
    const next = new SimulatedDisk();
    next.freeBytes = this.freeBytes;
    const copies = new Map<Inode, Inode>();
    const copy = (inode: Inode): Inode => {
      const known = copies.get(inode) ?? (losesUnsynced ? survivor(inode, chance) : structuredClone(inode));
      copies.set(inode, known);
      return known;
    };
    const names = losesUnsynced ? new Map(this.#durableNames) : this.#names;
    if (losesUnsynced)
      for (const change of this.#unsyncedNames) if (chance() < 0.5) applyNames(names, change);
    next.#names = withoutLocks(names, copy);
    next.#durableNames = losesUnsynced ? new Map(next.#names) : withoutLocks(this.#durableNames, copy);
    if (losesUnsynced) return next;
    next.#unsyncedNames = this.#unsyncedNames.map(({ folder, set }) => ({
      folder,
      set: set.map(([path, inode]) => [path, inode === undefined ? undefined : copy(inode)] as const),
    }));
    return next;
  }

  /** The bytes of a file, to look at or to spoil. */
  bytesOf(path: string): Uint8Array {
    return this.#inode(path).bytes;
  }

  paths(): string[] {
    return [...this.#names.keys()];
  }

  async open(path: string, mode: OpenMode): Promise<OpenFile> {
    this.#enter({ kind: mode === 'create' ? 'create' : 'open', path });
    if (mode === 'create') {
      if (this.#names.has(path)) throw systemError('EEXIST');
      this.#name(dirname(path), [
        [path, { bytes: new Uint8Array(), durable: new Uint8Array(), unsynced: [] }],
      ]);
    }
    const inode = this.#inode(path);
    let isOpen = true;
    this.openFiles++;
    return {
      read: async (into, position) => {
        this.#enter({ kind: 'read', path });
        const part = inode.bytes.subarray(position, position + into.length);
        into.set(part);
        return part.length;
      },
      write: async (parts, position) => {
        const tornAfter = this.#enter({ kind: 'write', path });
        let at = position;
        const end = position + (tornAfter ?? Number.POSITIVE_INFINITY);
        for (const part of parts) {
          const fitting = part.subarray(0, Math.max(0, end - at));
          if (fitting.length > 0) change(inode, { at, bytes: new Uint8Array(fitting) });
          at += part.length;
        }
        if (tornAfter !== undefined) throw systemError('EIO');
      },
      sync: async () => {
        try {
          this.#enter({ kind: 'sync', path });
          for (const one of inode.unsynced) inode.durable = changed(inode.durable, one);
        } finally {
          if (!this.isDead) inode.unsynced = [];
        }
      },
      truncate: async (length) => {
        this.#enter({ kind: 'truncate', path });
        change(inode, { at: length });
      },
      stat: async (): Promise<FileStat> => ({ length: inode.bytes.length, mode: 0o600 }),
      close: async () => {
        if (isOpen) this.openFiles--;
        isOpen = false;
      },
    };
  }

  async makeDirectory(): Promise<void> {}

  async list(path: string): Promise<string[]> {
    return [...this.#names.keys()].filter((name) => dirname(name) === path).map((name) => basename(name));
  }

  async rename(from: string, to: string): Promise<void> {
    this.#enter({ kind: 'name', path: to });
    this.#name(dirname(to), [
      [to, this.#inode(from)],
      [from, undefined],
    ]);
  }

  async link(existing: string, name: string): Promise<void> {
    this.#enter({ kind: 'name', path: name });
    if (this.#names.has(name)) throw systemError('EEXIST');
    this.#name(dirname(name), [[name, this.#inode(existing)]]);
  }

  async remove(path: string): Promise<void> {
    this.#enter({ kind: 'name', path });
    this.#inode(path);
    this.#name(dirname(path), [[path, undefined]]);
  }

  async removeTree(path: string): Promise<void> {
    this.#enter({ kind: 'name', path });
    this.onRemoveTree(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.#enter({ kind: 'sync-directory', path });
    for (const one of this.#unsyncedNames) if (one.folder === path) applyNames(this.#durableNames, one);
    this.#unsyncedNames = this.#unsyncedNames.filter(({ folder }) => folder !== path);
  }

  async space(): Promise<DiskSpace> {
    if (this.isDead) throw new PowerCut('power cut');
    return { freeBytes: this.freeBytes, totalBytes: 2e12 };
  }

  #enter(operation: DiskOperation): number | undefined {
    if (this.isDead) throw new PowerCut('power cut');
    this.operations++;
    return this.hook(operation);
  }

  #name(folder: string, set: NameChange['set']): void {
    const one = { folder, set };
    applyNames(this.#names, one);
    this.#unsyncedNames.push(one);
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT');
    return inode;
  }
}

function applyNames(names: Map<string, Inode>, { set }: NameChange): void {
  for (const [path, inode] of set) {
    if (inode === undefined) names.delete(path);
    else names.set(path, inode);
  }
}

function change(inode: Inode, one: Change): void {
  inode.bytes = changed(inode.bytes, one);
  inode.unsynced.push(one);
}

function changed(bytes: Uint8Array, { at, bytes: written }: Change): Uint8Array {
  const length = written === undefined ? at : Math.max(bytes.length, at + written.length);
  const next = new Uint8Array(length);
  next.set(bytes.subarray(0, length));
  if (written !== undefined) next.set(written, at);
  return next;
}

function withoutLocks(names: ReadonlyMap<string, Inode>, copy: (inode: Inode) => Inode): Map<string, Inode> {
  const kept = [...names].filter(([path]) => !basename(path).startsWith('LOCK'));
  return new Map(kept.map(([path, inode]) => [path, copy(inode)]));
}

function survivor(inode: Inode, chance: Chance): Inode {
  const bytes = survivingBytes(inode, chance);
  return { bytes, durable: bytes.slice(), unsynced: [] };
}

/** The synced bytes, and of what came after any sectors. */
function survivingBytes(inode: Inode, chance: Chance): Uint8Array {
  let bytes: Uint8Array = inode.durable.slice();
  for (const one of inode.unsynced) {
    if (one.bytes === undefined) {
      if (chance() < 0.5) bytes = changed(bytes, one);
      continue;
    }
    const isDropped = chance() < 0.3;
    for (let from = 0; from < one.bytes.length && !isDropped; ) {
      const to = Math.min(one.bytes.length, from + SECTOR_LENGTH - ((one.at + from) % SECTOR_LENGTH));
      if (chance() < 0.7) bytes = changed(bytes, { at: one.at + from, bytes: one.bytes.subarray(from, to) });
      from = to;
    }
  }
  return bytes;
}
