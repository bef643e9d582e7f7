import { startEngine } from '../helpers/engine.ts'
import type { Engine, Tools } from './engine.ts'
import { startGate } from './gate.ts'
import type { Journey } from './journey.ts'
import { countingJourneys } from './journeys/counting.ts'
import { libraryJourneys } from './journeys/libraries.ts'
import { lastJourneys, retryJourneys } from './journeys/retries.ts'
import { soundJourneys } from './journeys/sound.ts'
import { swiftJourneys } from './journeys/swift.ts'
import { textJourneys } from './journeys/text.ts'
import { vectorJourneys, vectorLibraryJourneys } from './journeys/vectors.ts'
import { installPythonLibraries, type Library, nodeLibraries, pythonLibraries } from './libraries.ts'
import { readSource, SOURCES } from './sources.ts'
import { installSwift, startSwift } from './swift.ts'
import { startTap } from './tap.ts'
import { installVllm, startVllm } from './vllm.ts'

/** What is tried together. */
export interface Stage {
  /** What stands beside the gate, with versions. */
  readonly cast: readonly string[]
  /** Whose routes are to be recorded, and under which name; the gate must know all of them. */
  readonly record: Readonly<Record<string, Pick<Engine, 'name' | 'version' | 'routes'>>>
  readonly journeys: readonly Journey[]
  /** Ends what is no child. */
  close?(): void
}

/** The parts of a whole pass, in their order: what each of them is, and how its stage is set. */
export const PARTS: Readonly<Record<string, { what: string; open: (tools: Tools) => Promise<Stage> }>> = {
  clients: { what: 'what the Python libraries make of errors; needs no engine, and is quick', open: openClients },
  text: { what: 'vLLM with a model that makes text, by hand and with every library', open: openText },
  counting: {
    what: 'what is charged beside the counters of vLLM: a thousand calls, a third of them left',
    open: openCounting
  },
  vectors: { what: 'vLLM with models that make vectors and that rank', open: openVectors },
  sound: { what: 'vLLM with a model that writes down what it hears', open: openSound },
  swift: { what: 'ms-swift with its own backend', open: openSwift },
  sources: { what: 'the routes of SGLang and LMDeploy, which need a GPU, by their source', open: openSources }
}

async function librariesOf(tools: Tools): Promise<readonly Library[]> {
  return [...nodeLibraries(), ...pythonLibraries(tools, await installPythonLibraries(tools))]
}

async function openClients(tools: Tools): Promise<Stage> {
  const libraries = pythonLibraries(tools, await installPythonLibraries(tools))
  const double = await startEngine({ teardown: () => {} }, { models: ['m'] })
  const pool = { name: 'sglang', origin: double.origin, model: 'm', more: ', timeouts: { first_byte: 250ms }' } as const
  const gate = await startGate(tools, { name: 'clients', pools: { p: pool }, teams: { 'team-a': ['p'] } })
  const world = { gate, double }
  return {
    cast: libraries.map(({ title }) => title),
    record: {},
    journeys: [...libraries.flatMap(library => retryJourneys(world, library)), ...lastJourneys(world, libraries)],
    close: () => void double.kill()
  }
}

async function openText(tools: Tools): Promise<Stage> {
  const libraries = await librariesOf(tools)
  const engine = await startVllm(tools, await installVllm(tools), 'text', 'tiny')
  const tap = await startTap(engine.origin)
  const gate = await startGate(tools, {
    name: 'text',
    pools: { straight: engine, tapped: { ...engine, origin: tap.origin } },
    teams: { 'team-a': ['straight'], 'team-tapped': ['tapped'] },
    more: 'requests: { extra_fields: [ignore_eos] }'
  })
  const world = { gate, engine, tap }
  return {
    cast: [`vllm ${engine.version}`, ...libraries.map(({ title }) => title)],
    record: { [`vllm-${engine.version}`]: engine },
    journeys: [...textJourneys(world), ...libraries.flatMap(library => libraryJourneys(world, library))],
    close: tap.close
  }
}

async function openCounting(tools: Tools): Promise<Stage> {
  const engine = await startVllm(tools, await installVllm(tools), 'text', 'tiny')
  const open = async (name: string, more: string) =>
    await startGate(tools, {
      name,
      pools: { p: engine },
      teams: { 'team-a': ['p'] },
      more: `requests: { extra_fields: [ignore_eos] }
limits: { default: { budget: { tokens: 1G, per: month } } }
${more}`
    })
  return {
    cast: [`vllm ${engine.version}`],
    record: {},
    journeys: countingJourneys({
      engine,
      gates: {
        'with a ledger': { gate: await open('with-ledger', 'metering: { dir: usage }') },
        'without one': { gate: await open('without-ledger', '') }
      }
    })
  }
}

async function openVectors(tools: Tools): Promise<Stage> {
  const libraries = (await librariesOf(tools)).filter(({ name }) => name === 'openai')
  const venv = await installVllm(tools)
  const [vectors, ranks] = await Promise.all([
    startVllm(tools, venv, 'vectors', 'vectors'),
    startVllm(tools, venv, 'ranks', 'ranks')
  ])
  const gate = await startGate(tools, {
    name: 'vectors',
    pools: { vectors, ranks },
    teams: { 'team-a': ['vectors', 'ranks'] }
  })
  return {
    cast: [`vllm ${vectors.version}`, ...libraries.map(({ title }) => title)],
    record: { [`vllm-vectors-${vectors.version}`]: vectors, [`vllm-ranks-${ranks.version}`]: ranks },
    journeys: [...vectorJourneys({ gate }), ...libraries.flatMap(library => vectorLibraryJourneys({ gate }, library))]
  }
}

async function openSound(tools: Tools): Promise<Stage> {
  const engine = await startVllm(tools, await installVllm(tools), 'sound', 'sound')
  const gate = await startGate(tools, { name: 'sound', pools: { sound: engine }, teams: { 'team-a': ['sound'] } })
  return {
    cast: [`vllm ${engine.version}`],
    record: { [`vllm-sound-${engine.version}`]: engine },
    journeys: soundJourneys({ gate })
  }
}

async function openSwift(tools: Tools): Promise<Stage> {
  const engine = await startSwift(tools, await installSwift(tools, await installVllm(tools)))
  const tap = await startTap(engine.origin)
  const gate = await startGate(tools, {
    name: 'swift',
    pools: {
      straight: engine,
      tapped: { ...engine, origin: tap.origin },
      locked: { ...engine, apiKey: 'a-wrong-key' }
    },
    teams: { 'team-a': ['straight'], 'team-tapped': ['tapped'], 'team-locked': ['locked'] }
  })
  return {
    cast: [`swift ${engine.version}`],
    record: { [`swift-${engine.version}`]: engine },
    journeys: swiftJourneys({ gate, tap }),
    close: tap.close
  }
}

async function openSources(tools: Tools): Promise<Stage> {
  const venv = await installPythonLibraries(tools)
  const found = await Promise.all(
    Object.entries(SOURCES).map(async ([name, source]) => [name, await readSource(tools, venv, source)] as const)
  )
  return {
    cast: Object.values(SOURCES).map(source => `${source.package} ${source.version}`),
    record: Object.fromEntries(found.map(([name, engine]) => [`${name}-${engine.version}`, engine])),
    journeys: []
  }
}
