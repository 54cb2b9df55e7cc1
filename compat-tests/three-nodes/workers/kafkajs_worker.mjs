// kafkajs at its work: see README.md for what it is told and what it says.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const require = createRequire(new URL('../../kafkajs/package.json', import.meta.url))
const { Kafka, logLevel, Partitioners } = require('kafkajs')
const [name, bootstrap, topic] = process.argv.slice(2)
const say = line => process.stdout.write(`${line}\n`)
const retry = { initialRetryTime: 100, maxRetryTime: 1000, retries: 100 }
const kafka = new Kafka({
  clientId: name,
  brokers: bootstrap.split(','),
  logLevel: logLevel.ERROR,
  retry,
})

const consumer = kafka.consumer({ groupId: name, maxWaitTimeInMs: 300, metadataMaxAge: 1000, retry })
consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
  say(`ready ${Object.values(payload.memberAssignment).flat().length}`),
)
await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: true })
await consumer.run({
  autoCommitInterval: 1000,
  eachMessage: async ({ partition, message }) => say(`got ${partition} ${message.offset} ${message.value}`),
})

const producer = kafka.producer({
  idempotent: true,
  maxInFlightRequests: 1,
  createPartitioner: Partitioners.DefaultPartitioner,
})
await producer.connect()
for await (const line of createInterface({ input: process.stdin })) {
  const [word, first, last] = line.split(' ')
  if (word === 'end') break
  const messages = []
  for (let number = +first; number < +last; number++) {
    messages.push({ partition: number % 10, value: `${name} ${number}` })
  }
  try {
    await producer.send({ topic, acks: -1, messages })
  } catch (error) {
    say(`lost ${name} ${first} to ${last}: ${error}`)
  }
  say(`acked ${last}`)
}
await producer.disconnect()
await consumer.stop()
await consumer.disconnect()
say('ended')
process.exit(0)
