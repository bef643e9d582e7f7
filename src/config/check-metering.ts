import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { SINK_NAME } from '../export/options.ts'
import type { Finding, Path } from './faults.ts'
import { error, type Loose, mapOf } from './loose.ts'

/** The folder, or the nearest one above it that is there, has to take files. */
export function checkLedger({ dir }: Loose, file: string): Finding[] {
  if (typeof dir !== 'string' || dir === '') return []
  let place = resolve(dirname(file), dir)
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place)
  const at: Path = ['metering', 'dir']
  if (!statSync(place).isDirectory()) return [error('E314', at, `no folder can be made here: ${place} is a file`)]
  try {
    accessSync(place, constants.W_OK | constants.X_OK)
    return []
  } catch {
    return [error('E314', at, `nothing can be written to ${place}`, 'it has to belong to the user of the gate')]
  }
}

/** A sink has a name that a file can have, and one kind. */
export function checkSinks(sinks: Loose): Finding[] {
  return Object.entries(sinks).flatMap(([name, item]) => {
    const at: Path = ['metering', 'sinks', name]
    const findings: Finding[] = []
    if (!SINK_NAME.test(name))
      findings.push({ ...error('E318', at, 'a sink is named by up to 64 letters, digits and _ -'), at: 'key' })
    const { http, postgres } = mapOf(item)
    if ((http === undefined) === (postgres === undefined))
      findings.push({ ...error('E319', at, `metering.sinks.${name} needs either "http" or "postgres"`), at: 'key' })
    return findings
  })
}
