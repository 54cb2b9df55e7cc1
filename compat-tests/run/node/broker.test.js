// ApiVersions 0 is answered at the address in the environment.
const net = require("net");

const [host, port] = process.env.KAFKA_BOOTSTRAP_SERVERS.split(":");
const socket = net.connect(Number(port), host);
let answer = Buffer.alloc(0);
socket.write(Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255]));
socket.on("data", (part) => {
  answer = Buffer.concat([answer, part]);
  if (answer.length >= 10) {
    socket.destroy();
    process.exit(answer.readInt32BE(4) === 7 && answer.readInt16BE(8) === 0 ? 0 : 1);
  }
});
socket.on("close", () => process.exit(2));
