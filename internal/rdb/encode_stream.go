package rdb

import "encoding/binary"

// AppendStream appends the body of a stream as the servers of f's version write it, and returns the type to write before it: before
// version 10 TypeStreamListpacks, which has less in it, in version 10 TypeStreamListpacks2, from 11 on TypeStreamListpacks3.
func AppendStream(dst []byte, f Format, s *Stream) (Type, []byte) {
	t := TypeStreamListpacks3
	switch {
	case f.Version < 10:
		t = TypeStreamListpacks
	case f.Version == 10:
		t = TypeStreamListpacks2
	}
	dst = AppendLength(dst, uint64(len(s.Nodes)))
	for _, n := range s.Nodes {
		dst = appendRawID(append(dst, streamID), n.Master)
		dst = AppendString(dst, n.Listpack)
	}
	dst = AppendLength(dst, s.Length)
	dst = appendNumberID(dst, s.LastID)
	if t != TypeStreamListpacks {
		dst = appendNumberID(dst, s.FirstID)
		dst = appendNumberID(dst, s.MaxDeletedID)
		dst = AppendLength(dst, s.EntriesAdded)
	}
	dst = AppendLength(dst, uint64(len(s.Groups)))
	for i := range s.Groups {
		dst = s.Groups[i].append(dst, t)
	}
	return t, dst
}

func (g *StreamGroup) append(dst []byte, t Type) []byte {
	dst = AppendString(dst, g.Name)
	dst = appendNumberID(dst, g.LastID)
	if t != TypeStreamListpacks {
		dst = AppendLength(dst, uint64(g.EntriesRead))
	}
	dst = AppendLength(dst, uint64(len(g.Pending)))
	for _, p := range g.Pending {
		dst = appendRawID(dst, p.ID)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(p.DeliveredMs))
		dst = AppendLength(dst, p.Count)
	}
	dst = AppendLength(dst, uint64(len(g.Consumers)))
	for _, c := range g.Consumers {
		dst = AppendString(dst, c.Name)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(c.SeenMs))
		if t == TypeStreamListpacks3 {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(c.ActiveMs))
		}
		dst = AppendLength(dst, uint64(len(c.Pending)))
		for _, id := range c.Pending {
			dst = appendRawID(dst, id)
		}
	}
	return dst
}

func appendRawID(dst []byte, id StreamID) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(dst, id.Ms), id.Seq)
}

func appendNumberID(dst []byte, id StreamID) []byte {
	return AppendLength(AppendLength(dst, id.Ms), id.Seq)
}
