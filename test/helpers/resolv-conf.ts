import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { type GateProcess, runGate } from './gate-process.ts'

/** Why no process can be given a resolv.conf of its own here, or false when it can. */
export function noOwnResolvConf(): string | false {
  // The way in which it is done, all of it: a container may be root and still not be allowed to.
  const tried = spawnSync('unshare', ['-m', 'sh', '-c', 'mount --bind /etc/resolv.conf /etc/resolv.conf'])
  return tried.status === 0 ? false : 'a resolv.conf of its own needs root, unshare(1), and the right to mount'
}

/** An address of loopback that no other test uses, for a server that must have a well-known port. */
export function ownLoopback(): string {
  const byte = () => 1 + Math.floor(Math.random() * 254)
  return `127.${byte()}.${byte()}.${byte()}`
}

/** Starts `tollgate` in a mount namespace with another resolv.conf. */
export function runGateResolving(t: Test, args: readonly string[], resolvConf: string): GateProcess {
  const dir = t.testdirName
  writeFileSync(`${dir}/resolv.conf`, resolvConf)
  return runGate(t, args, {}, 'unlimited', [
    'unshare',
    '-m',
    'sh',
    '-c',
    `mount --bind '${dir}/resolv.conf' /etc/resolv.conf; exec "$0" "$@"`
  ])
}
