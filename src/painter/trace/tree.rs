//! A tree of boxes around solids, so that a ray tests only those nearby.

use super::solid::{Hit, Solid};
use super::vector::{Vec3, vec3};

/// The maximum number of solids in a leaf of the tree.
const LEAF: usize = 3;

/// The maximum depth of the tree, far above that of a balanced one.
const DEPTH: usize = 64;

#[derive(Debug)]
struct Node {
    low: Vec3,
    high: Vec3,
    /// The first solid of a leaf; of an inner node, the second child (the first one follows the node).
    first: usize,
    /// The number of solids in a leaf; 0 for an inner node.
    count: usize,
    /// The axis along which an inner node is split.
    axis: Axis,
}

#[derive(Debug, Clone, Copy)]
enum Axis {
    X,
    Y,
    Z,
}

impl Axis {
    fn of(self, v: Vec3) -> f32 {
        match self {
            Self::X => v.x,
            Self::Y => v.y,
            Self::Z => v.z,
        }
    }
}

/// The solids, sorted into a tree.
#[derive(Debug, Default)]
pub(in crate::painter) struct Tree {
    nodes: Vec<Node>,
    pub(in crate::painter) solids: Vec<Solid>,
}

impl Tree {
    pub(in crate::painter) fn new(solids: Vec<Solid>) -> Self {
        let mut tree = Self { nodes: Vec::new(), solids };
        if !tree.solids.is_empty() {
            tree.split(0, tree.solids.len());
        }
        tree
    }

    fn split(&mut self, from: usize, to: usize) {
        let bounds = |solid: &Solid| solid.bounds();
        let everything = [vec3(f32::MAX, f32::MAX, f32::MAX), vec3(f32::MIN, f32::MIN, f32::MIN)];
        let around = |[low, high]: [Vec3; 2], [l, h]: [Vec3; 2]| [low.min(l), high.max(h)];
        let [low, high] = self.solids[from..to].iter().map(bounds).fold(everything, around);
        let node = self.nodes.len();
        self.nodes.push(Node { low, high, first: from, count: to - from, axis: Axis::X });
        if to - from <= LEAF {
            return;
        }
        let middle = |solid: &Solid| {
            let [l, h] = solid.bounds();
            l + h
        };
        let middles = self.solids[from..to].iter().map(|solid| [middle(solid); 2]).fold(everything, around);
        let size = middles[1] - middles[0];
        let axis = if size.x >= size.y && size.x >= size.z {
            Axis::X
        } else if size.y >= size.z {
            Axis::Y
        } else {
            Axis::Z
        };
        let key = |solid: &Solid| axis.of(middle(solid));
        self.solids[from..to].sort_by(|a, b| key(a).total_cmp(&key(b)));
        let half = from + (to - from) / 2;
        self.split(from, half);
        self.nodes[node].first = self.nodes.len();
        self.nodes[node].count = 0;
        self.nodes[node].axis = axis;
        self.split(half, to);
    }

    /// The first hit of a ray before `far`, and the index of the solid.
    pub(in crate::painter) fn hit(&self, from: Vec3, toward: Vec3, far: f32) -> Option<(usize, Hit)> {
        let mut best: Option<(usize, Hit)> = None;
        let mut nearest = far;
        self.visit(from, toward, &mut nearest, |index, solid, nearest| {
            if let Some(hit) = solid.hit(from, toward, *nearest) {
                *nearest = hit.distance;
                best = Some((index, hit));
            }
            false
        });
        best
    }

    /// Whether a solid that casts shadows is on the way.
    pub(in crate::painter) fn is_blocked(&self, from: Vec3, toward: Vec3, mut far: f32) -> bool {
        self.visit(from, toward, &mut far, |_, solid, far| solid.casts && solid.hit(from, toward, *far).is_some())
    }

    /// Visits the solids near a ray before `far`, until `visitor` returns true.
    fn visit(
        &self,
        from: Vec3,
        toward: Vec3,
        far: &mut f32,
        mut visitor: impl FnMut(usize, &Solid, &mut f32) -> bool,
    ) -> bool {
        let inverse = toward.inverse();
        let mut stack = [0usize; DEPTH];
        let mut waiting = usize::from(!self.nodes.is_empty());
        while waiting > 0 {
            waiting -= 1;
            let at = stack[waiting];
            let node = &self.nodes[at];
            let a = (node.low - from).times(inverse);
            let b = (node.high - from).times(inverse);
            let (near, leave) = (a.min(b), a.max(b));
            let enter = near.x.max(near.y).max(near.z).max(0.0);
            if enter > leave.x.min(leave.y).min(leave.z) || enter > *far {
                continue;
            }
            for index in node.first..node.first + node.count {
                if visitor(index, &self.solids[index], far) {
                    return true;
                }
            }
            if node.count == 0 && waiting + 2 <= DEPTH {
                // The nearer child is visited first.
                let is_forward = node.axis.of(toward) > 0.0;
                let (near, far) = if is_forward { (at + 1, node.first) } else { (node.first, at + 1) };
                stack[waiting] = far;
                stack[waiting + 1] = near;
                waiting += 2;
            }
        }
        false
    }
}
